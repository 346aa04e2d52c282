"""BM25 over titles and bodies, from an index that any number of threads may read, and a search in three steps."""

import heapq
import math
import re
from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Self

from corpus import Document
from pydantic import BaseModel, ConfigDict, Field

SHORT_WORD = 3  # letters, up to which a word has no plural ending to lose


class Bm25(BaseModel):
    """The parameters of the ranking formula.

    Attributes:
        k1: How much it counts that a term occurs again; with 0 only its presence does.
        b: How far long documents are held back, from 0 (not at all) to 1 (in proportion to their length).
        title_boost: How many occurrences in the body one in the title is worth.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    k1: float = Field(ge=0)
    b: float = Field(ge=0, le=1)
    title_boost: float = Field(ge=0)


class Posting(NamedTuple):
    """A document in which a term occurs, and how often it does in the body and in the title."""

    document: int
    in_body: int
    in_title: int


def tokenise(text: str, *, stem: bool = False) -> list[str]:
    """Split text into lower-case words, at underscores and dots too.

    >>> tokenise("Caches of os.path_like", stem=True)
    ['cache', 'of', 'os', 'path', 'like']
    """
    words = re.findall(r"[^\W_]+", text.lower())
    return [singular(word) for word in words] if stem else words


def singular(word: str) -> str:
    """Take the plural ending off an English word, as the S-stemmer does.

    The rules are those of Donna Harman, "How effective is suffixing?", JASIS 42(1), 1991, read as Lucene's
    ``EnglishMinimalStemmer`` does: an exception to one rule is left alone by the others. So are short words ("has").
    """
    if len(word) <= SHORT_WORD or word.endswith(("us", "ss", "aies", "eies", "aes", "ees", "oes")):
        return word
    if word.endswith("ies"):
        return word.removesuffix("ies") + "y"
    return word.removesuffix("s")


@dataclass(frozen=True, slots=True)
class Index:
    """Where each term occurs, for one way to tokenise; nothing changes it once it is built."""

    stem: bool
    titles: Sequence[str]
    body_lengths: Sequence[int]
    title_lengths: Sequence[int]
    mean_body_length: float
    mean_title_length: float
    postings: dict[str, list[Posting]]

    @classmethod
    def build(cls, documents: Sequence[Document], *, stem: bool) -> Self:
        """Index documents, whose titles must differ, in their order."""
        bodies = [Counter(tokenise(document.body, stem=stem)) for document in documents]
        titles = [Counter(tokenise(document.title, stem=stem)) for document in documents]
        body_lengths = [body.total() for body in bodies]
        title_lengths = [title.total() for title in titles]
        postings: defaultdict[str, list[Posting]] = defaultdict(list)
        for number, (body, title) in enumerate(zip(bodies, titles, strict=True)):
            for term in body | title:
                postings[term].append(Posting(number, body[term], title[term]))
        names, size = [document.title for document in documents], max(len(documents), 1)
        means = sum(body_lengths) / size, sum(title_lengths) / size
        return cls(stem, names, body_lengths, title_lengths, *means, dict(postings))

    def scores(self, terms: Sequence[str], bm25: Bm25) -> dict[int, float]:
        """Score the documents in which one of the terms occurs.

        This is BM25F: occurrences in body and title are added up before they saturate (Robertson, Zaragoza and Taylor,
        "Simple BM25 extension to multiple weighted fields", CIKM 2004), with Lucene's inverse document frequency,
        ``log(1 + (N - n + 0.5) / (n + 0.5))``, which is never negative.

        Args:
            terms: What to look for, each once.
            bm25: The parameters of the formula.

        Returns:
            Scores by the documents' positions, all above 0.
        """
        size = len(self.titles)
        average = self.mean_body_length + bm25.title_boost * self.mean_title_length
        floor, slope = bm25.k1 * (1 - bm25.b), bm25.k1 * bm25.b / (average or 1)
        scores: defaultdict[int, float] = defaultdict(float)
        for term in terms:
            postings = self.postings.get(term, [])
            weight = (bm25.k1 + 1) * math.log(1 + (size - len(postings) + 0.5) / (len(postings) + 0.5))
            for document, in_body, in_title in postings:
                if count := in_body + bm25.title_boost * in_title:
                    length = self.body_lengths[document] + bm25.title_boost * self.title_lengths[document]
                    scores[document] += weight * count / (count + floor + slope * length)
        return dict(scores)

    def coverage(self, terms: Sequence[str], document: int) -> float:
        """Return the share of the terms that a document has."""
        return sum(self._has(term, document) for term in terms) / len(terms)

    def _has(self, term: str, document: int) -> bool:
        postings = self.postings.get(term, [])
        position = bisect_left(postings, (document,))
        return position < len(postings) and postings[position].document == document


def best(scores: Mapping[int, float], limit: int) -> list[int]:
    """Return the ``limit`` best documents, best first; of equal ones the earlier document first."""
    return heapq.nlargest(limit, scores, key=lambda document: (scores[document], -document))


@dataclass(frozen=True, slots=True)
class Question:
    """A query as an index understands it. It names the index rather than holding it: a small value is told from others.

    Attributes:
        terms: Its words, each once.
        stem: Whether they lack their plural endings, as those of the index do that is to be asked.
    """

    terms: tuple[str, ...]
    stem: bool


@dataclass(frozen=True, slots=True)
class Engine:
    """A search in three steps. It knows of no configs: each step has its own, or none.

    Attributes:
        tokenise: From the text of a query to a `Question`.
        score: From a question to scores by document.
        rerank: From a question and the best documents' scores to new scores.
        titles: Of the documents.
        depth: Titles in a ranking.
    """

    tokenise: Callable[[str], Question]
    score: Callable[[Question], Mapping[int, float]]
    rerank: Callable[[Question, Mapping[int, float]], Mapping[int, float]]
    titles: Sequence[str]
    depth: int

    def search(self, query: str) -> list[str]:
        """Return the titles of the best documents, best first."""
        question = self.tokenise(query)
        scores = self._reranked(question)
        return [self.titles[document] for document in best(scores, self.depth)]

    def _reranked(self, question: Question) -> Mapping[int, float]:
        scores = self.score(question)
        return self.rerank(question, {document: scores[document] for document in best(scores, 3 * self.depth)})
