"""The search for ``spearmint evaluate``: what is evaluated, what scores it, and queries to run it on.

Run it to write the queries: ``python judged.py > queries.jsonl``.
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from corpus import load_documents
from evaluation import rank_of
from main import declare_search
from queries import hide_sentences, split
from retrieval import Index

QUERIES = 200

_DOCUMENTS, _ITEMS = hide_sentences(load_documents())
_SEARCH = declare_search(
    {stem: Index.build(_DOCUMENTS, stem=stem) for stem in (False, True)}, Path(__file__).parent / "configs"
)

search = _SEARCH.run


def found(outputs: Sequence[str], expectations: Mapping[str, Any]) -> bool:
    """Tell whether the answer is among the titles."""
    return expectations["expected"] in outputs


def reciprocal_rank(outputs: Sequence[str], expectations: Mapping[str, Any]) -> float:
    """Return 1 for an answer that comes first, 1/2 for the second, and 0 for one that was not found."""
    rank = rank_of(expectations["expected"], list(outputs))
    return 1 / rank if rank else 0.0


def main() -> None:
    """Write tuning queries, a row each."""
    for item in split(_ITEMS, QUERIES)[0]:
        sys.stdout.write(json.dumps({"query": item.query, "expected": item.answer}) + "\n")


if __name__ == "__main__":
    main()
