"""Known-item queries: the one right answer to each is known by construction.

A query is a few words of a sentence that stands in one document only, and that document is its answer: no judge and no
search engine has a say in it. Nor does it leak into the index, since the sentence is taken out of the text that is
indexed: the document has to be found by what else it says, and by its title. Every document that can spare a sentence
loses one, whether its query is asked or not, so that a missing sentence gives nothing away.

Half of the queries are for tuning, half are held out, and the hash of the answer's title decides which: what is chosen
on the first half is then reported on queries and answers that had no part in the choice.
"""

import hashlib
import re
from collections import Counter
from dataclasses import dataclass

from corpus import Document
from retrieval import tokenise

FEWEST_WORDS, MOST_WORDS = 4, 6  # in a query
SHORTEST_WORD = 3  # letters
COMMON = 0.02  # A word in a larger share of the documents says too little for a query.
WORDS_LEFT = 20  # A document that would be left with fewer can spare no sentence.


@dataclass(frozen=True, slots=True)
class KnownItem:
    """A query, the sentence it was made of, and the title of the one document that had the sentence."""

    query: str
    sentence: str
    answer: str


def hide_sentences(documents: list[Document]) -> tuple[list[Document], list[KnownItem]]:
    """Take a sentence out of each document that can spare one, and make a query of it.

    Returns:
        The documents to index, and the known items.
    """
    everything = "".join(_spelled(document.body) for document in documents)
    spread = Counter(word for document in documents for word in set(tokenise(document.body)))
    rare = {word for word, count in spread.items() if count <= max(1, COMMON * len(documents))}
    indexed: list[Document] = []
    items: list[KnownItem] = []
    for document in documents:
        parts = _split(document.body)
        size = len(tokenise(document.body))
        queries = {part: _query(part, rare) for part in parts if size - len(tokenise(part)) >= WORDS_LEFT}
        hidden = [part for part, query in queries.items() if query and everything.count(_spelled(part)) == 1]
        if hidden:
            sentence = min(hidden, key=_digest)  # any would do; this one is the same in every run
            items.append(KnownItem(queries[sentence], sentence, document.title))
            parts.remove(sentence)
        indexed.append(Document(document.title, "\n\n".join(parts)))
    return indexed, items


def split(items: list[KnownItem], limit: int) -> tuple[list[KnownItem], list[KnownItem]]:
    """Sample at most ``limit`` queries for tuning, and as many that are held out, the same ones every time."""
    shuffled = sorted(items, key=lambda item: _digest(item.answer))
    tuning = [item for item in shuffled if _is_for_tuning(item)]
    held_out = [item for item in shuffled if not _is_for_tuning(item)]
    return tuning[:limit], held_out[:limit]


def _is_for_tuning(item: KnownItem) -> bool:
    return int(_digest(item.answer), 16) % 2 == 0


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _spelled(text: str) -> str:
    return f" {' '.join(tokenise(text))} "


def _split(body: str) -> list[str]:
    return [part for part in re.split(r"(?<=[.!?:])\s+|\n\s*\n", body) if part]


def _query(sentence: str, rare: set[str]) -> str:
    """Make a query of prose, from its first words that say something; "" if it has too few, or is code or a table."""
    if not re.fullmatch(r"[A-Z][^>=|]*\.", sentence):
        return ""
    words = [word for word in dict.fromkeys(tokenise(sentence)) if word in rare and len(word) >= SHORTEST_WORD]
    return " ".join(words[:MOST_WORDS]) if len(words) >= FEWEST_WORDS else ""
