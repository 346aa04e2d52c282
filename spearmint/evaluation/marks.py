"""What people have said of outputs on the page of a report, as scores."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from spearmint.config.model import generate_config_id
from spearmint.errors import ConfigError, EvaluationError
from spearmint.evaluation.run.stored_output import encode_output, output_digest_of

_SCORES = {"right": 1.0, "wrong": 0.0}


class MarkKey(NamedTuple):
    """What a mark is of: the digests of a row and of an output."""

    row: str
    output: str


class Precomputed:
    """A scorer that gives the marks of people; see `precomputed`.

    Attributes:
        marks: From what was marked to its score.
    """

    def __init__(self, name: str, marks: Mapping[MarkKey, float]) -> None:
        self._name = name
        self.marks = dict(marks)

    @property
    def __name__(self) -> str:
        return self._name

    @property
    def version_source(self) -> list[Any]:
        """What a stored score must have been made by to count: the marks themselves."""
        return sorted([*key, score] for key, score in self.marks.items())

    def __call__(self, inputs: Any, outputs: Any, expectations: Any) -> float | None:
        """Return what people said of an output; None for one without a mark."""
        row, text = row_digest(inputs, expectations), encode_output(outputs)
        if row is None or text is None:
            return None
        return self.marks.get(MarkKey(row, output_digest_of(text).hex()))

    def __repr__(self) -> str:
        return f"<Precomputed {self._name}: {len(self.marks)} marks>"


def precomputed(path: str | os.PathLike[str], *, name: str = "human") -> Precomputed:
    """Return a scorer that gives what people said of outputs: 1 for right, 0 for wrong, and no score without a mark.

    The page of a report saves such marks. One counts for the same output on the same row, inputs and expectations
    included, whatever the config is that it came of; an output that has changed has no mark.

    Args:
        path: The file of marks, as JSON Lines: ``row`` and ``output``, by which a page recognises them, ``mark``, which
            is ``"right"``, ``"wrong"`` or null, and whatever else.
        name: The name of the metric.

    Raises:
        EvaluationError: If the file cannot be read, a line is none of a page's, one output is marked both right and
            wrong, or nothing is marked.
    """
    source = Path(path)
    marks: dict[MarkKey, float] = {}
    places: dict[MarkKey, int] = {}
    for number, key, score in _lines(source):
        if marks.get(key, score) != score:
            cause = f"lines {places[key]} and {number} mark the same output right and wrong"
            raise EvaluationError(f"Cannot take the marks in {str(source)!r}: {cause}. Take one of them out.")
        marks[key] = score
        places[key] = number
    if not marks:
        advice = "Mark outputs on the page of a report, and save them there"
        raise EvaluationError(f"Cannot take the marks in {str(source)!r}: nothing is marked right or wrong. {advice}.")
    return Precomputed(name, marks)


def row_digest(inputs: Mapping[str, Any], expectations: Mapping[str, Any]) -> str | None:
    """Return what marks know a row by; None if it holds what has no form that is the same in every process."""
    try:
        return generate_config_id({"inputs": dict(inputs), "expectations": dict(expectations)})
    except ConfigError:
        return None


def _lines(path: Path) -> Iterator[tuple[int, MarkKey, float]]:
    """Yield the number of each line that has a mark, with what it is of and its score."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = getattr(error, "strerror", None) or str(error)
        raise EvaluationError(f"Cannot read the marks in {str(path)!r}: {cause}. Correct the path.") from error
    for number, line in enumerate(text.split("\n"), 1):
        if not line.strip():
            continue
        place = f"{path}:{number}"
        try:
            entry = json.loads(line)
            key, mark = MarkKey(entry["row"], entry["output"]), entry["mark"]
        except (ValueError, TypeError, KeyError) as error:
            cause = f"the line is no mark of a page ({error!r:.100})"
            raise EvaluationError(f"Cannot take the marks at {place}: {cause}. Take it out.") from error
        if mark is None:  # It has a note alone.
            continue
        if not all(isinstance(one, str) for one in (mark, *key)) or mark not in _SCORES:
            cause = f"the mark is {mark!r:.100}, or what it is of is no text"
            raise EvaluationError(f'Cannot take the marks at {place}: {cause}. A mark is "right" or "wrong".')
        yield number, key, _SCORES[mark]
