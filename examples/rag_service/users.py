"""Simulated users, who ask questions, and like answers that are right and short."""

import random
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import service
from corpus import Document

import spearmint
from spearmint import RuntimeContext

USERS = 1600
AT_ONCE = 4
LIKES_RIGHT, LIKES_OTHER = 0.9, 0.1  # how likely a user calls an answer helpful


def play_day(day: int, visits: int, documents: Sequence[Document]) -> None:
    """Let users visit the service; the same day has the same visits, in every run."""
    chance = random.Random(day)  # noqa: S311 - a simulation, no secret
    chosen = [(f"user-{chance.randrange(USERS)}", chance.choice(documents), chance.random()) for _ in range(visits)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for _ in pool.map(lambda one: visit(*one), chosen):
            pass  # which raises what a visit has raised


def visit(user: str, document: Document, mood: float) -> None:
    """Ask for a document, and say whether the answer was of help.

    Args:
        user: Who asks.
        document: What is sought.
        mood: From 0, easily pleased, to 1.
    """
    with RuntimeContext(attributes={"user_id": user}):
        try:
            text = service.reply(document.question)["text"]
        except service.ModelError:
            text = ""
        is_right = text == f"See {document.title}."
        spearmint.track("asked")
        spearmint.track("helpful", mood < (LIKES_RIGHT if is_right else LIKES_OTHER))
