"""A search among documents: BM25, in thirty lines."""

import heapq
import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

from corpus import Document

K1 = 1.2  # how fast the weight of a repeated word saturates
B = 0.5  # how much long texts are held back
COMMON = 0.3  # the share of the documents from which on a word tells nothing


class Index:
    """Where each word occurs; nothing changes it once it is built.

    Args:
        documents: What is searched.
    """

    def __init__(self, documents: Sequence[Document]) -> None:
        self.documents = documents
        texts = [Counter(words(document.text)) for document in documents]
        mean = sum(text.total() for text in texts) / len(documents)
        self._saturation = [K1 * (1 - B + B * text.total() / mean) for text in texts]
        self._places: defaultdict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for number, (document, text) in enumerate(zip(documents, texts, strict=True)):
            title = Counter(words(document.title))
            for word in text | title:
                self._places[word].append((number, text[word], title[word]))

    def search(self, query: str, depth: int, title_weight: float) -> list[Document]:
        """Return the best documents, best first.

        Args:
            query: What is asked.
            depth: How many documents there are to be.
            title_weight: How many occurrences in the text one in the title is worth.
        """
        scores: defaultdict[int, float] = defaultdict(float)
        for word in set(words(query)):
            places = self._places.get(word, [])
            if len(places) > COMMON * len(self.documents):
                continue
            rarity = math.log(1 + (len(self.documents) - len(places) + 0.5) / (len(places) + 0.5))
            for number, in_text, in_title in places:
                count = in_text + title_weight * in_title
                scores[number] += rarity * count / (count + self._saturation[number])
        best = heapq.nlargest(depth, scores, key=lambda number: (scores[number], -number))
        return [self.documents[number] for number in best]


def words(text: str) -> list[str]:
    """Split text into lower-case words, at underscores and dots too, without the plural's s.

    >>> words("os.path_like caches")
    ['os', 'path', 'like', 'cache']
    """
    return [word.removesuffix("s") for word in re.findall(r"[^\W_]+", text.lower())]
