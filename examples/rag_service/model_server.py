"""A small fake of a server for language models: it takes its time, counts tokens, fails, and is busy now and then."""

import itertools
import json
import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from corpus import Document

BUSY_EVERY, FAILS_EVERY = 50, 80  # requests


@dataclass(frozen=True, slots=True)
class Model:
    """How a model behaves.

    Attributes:
        care: How likely it is to see which passage answers the question.
        seconds: How long an answer takes.
        rambles: Whether it says all that it has read.
    """

    care: float
    seconds: float
    rambles: bool = False


MODELS = {
    "small": Model(care=0.4, seconds=0.004),
    "tiny": Model(care=0.2, seconds=0.002),
    "large": Model(care=0.4, seconds=0.012),
    "chatty": Model(care=0.4, seconds=0.004, rambles=True),
}
INSTRUCTIONS = {"quote": 0.55, "brief": -0.1}  # what words of a prompt do to the care


def complete(name: str, prompt: str, right_titles: dict[str, str]) -> str:
    """Return what a model answers; the same to the same prompt.

    Args:
        name: The model.
        prompt: Instructions, passages with titles in brackets, and the question.
        right_titles: What the models have learnt: by question, the title of the passage that answers it.
    """
    model = MODELS[name]
    instructions, _, asked = prompt.partition("\n")
    titles = re.findall(r"^\[(.+?)\]", asked, re.MULTILINE)
    if not titles:
        return "I do not know."
    if model.rambles:
        return "There is much to say here. " + " ".join(f"One may think of {title}." for title in titles)
    care = model.care + sum(more for word, more in INSTRUCTIONS.items() if word in instructions.lower())
    chance = random.Random(f"{name} {prompt}")  # noqa: S311 - a simulation, no secret
    right = right_titles.get(asked.rpartition("Question: ")[2])
    title = right if right in titles and chance.random() < care else chance.choice(titles)
    return f"See {title}."


@contextmanager
def serve(documents: Sequence[Document]) -> Iterator[tuple[str, int]]:
    """Serve the models on a free port, and give the address."""
    right_titles = {document.question: document.title for document in documents}
    requests = itertools.count(1)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"  # which keeps connections open
        disable_nagle_algorithm = True
        wbufsize = -1  # an answer is one packet

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            number = next(requests)
            if number % BUSY_EVERY == 0:
                self._send(HTTPStatus.TOO_MANY_REQUESTS, {"error": "busy"})
                return
            if number % FAILS_EVERY == 1:
                self._send(HTTPStatus.INTERNAL_SERVER_ERROR, {"error": "out of memory"})
                return
            time.sleep(MODELS[asked["model"]].seconds)
            text = complete(asked["model"], asked["prompt"], right_titles)
            tokens = {"input_tokens": len(asked["prompt"].split()), "output_tokens": len(text.split())}
            self._send(HTTPStatus.OK, {"text": text, "model": asked["model"], **tokens})

        def _send(self, status: HTTPStatus, told: dict[str, object]) -> None:
            body = json.dumps(told).encode()
            self.send_response(status)
            if status == HTTPStatus.TOO_MANY_REQUESTS:
                self.send_header("Retry-After", "0.01")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name that the base class has
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        Thread(target=server.serve_forever, daemon=True).start()
        yield "127.0.0.1", server.server_port
        server.shutdown()
