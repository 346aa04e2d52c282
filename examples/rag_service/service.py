"""A service that answers questions about Python's library, in three steps. It knows nothing of experiments."""

import http.client
import json
import textwrap
import threading
from collections.abc import Mapping, Sequence
from typing import TypedDict

from corpus import Document, load_documents
from retrieval import Index

PROMPT = "Answer the question by what the passages say."
LONGEST_PASSAGE = 300  # characters

model_address = ("127.0.0.1", 8000)
index = Index(load_documents())
_local = threading.local()


class Answer(TypedDict):
    """What the model says, and what that took."""

    text: str
    model: str
    input_tokens: int
    output_tokens: int


class ModelError(Exception):
    """The model has given no answer.

    Args:
        status_code: What its server says instead.
        headers: What else the server says, such as when to ask again.
    """

    def __init__(self, status_code: int, headers: Mapping[str, str]) -> None:
        super().__init__(f"the model's server says {status_code}")
        self.status_code = status_code
        self.headers = headers


def reply(question: str) -> Answer:
    """Answer a question."""
    return answer(write_prompt(question, retrieve(question)))


def retrieve(question: str, depth: int = 3, title_weight: float = 1.0) -> list[Document]:
    """Return the passages that fit the question, best first."""
    return index.search(question, depth, title_weight)


def write_prompt(question: str, passages: Sequence[Document]) -> str:
    """Return what the model is to read."""
    told = [f"[{one.title}] {textwrap.shorten(one.text, LONGEST_PASSAGE)}" for one in passages]
    return "\n".join([PROMPT, *told, f"Question: {question}"])


def answer(prompt: str, model: str = "small") -> Answer:
    """Ask the model.

    Raises:
        ModelError: If it is busy or fails.
    """
    connection = _connection()
    connection.request("POST", "/", json.dumps({"model": model, "prompt": prompt}))
    response = connection.getresponse()
    said = response.read()
    if response.status != http.client.OK:
        raise ModelError(response.status, dict(response.headers))
    found: Answer = json.loads(said)
    return found


def _connection() -> http.client.HTTPConnection:
    """Return this thread's own connection, which is kept open."""
    if not hasattr(_local, "connection"):
        _local.connection = http.client.HTTPConnection(*model_address, timeout=30)
    connection: http.client.HTTPConnection = _local.connection
    return connection
