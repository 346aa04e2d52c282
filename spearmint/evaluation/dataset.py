"""Where the rows of an evaluation come from: JSONL, dicts, data frames and MLflow's datasets."""

import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from spearmint.errors import EvaluationError
from spearmint.evaluation.traced_rows import TRACES, read_rows
from spearmint.redaction import redactor

EXPECTED = "expected"
_FRAME_ROWS = 1000  # turned into dicts at a time
_SHOWN = 100
_SUFFIXES = (".jsonl", ".ndjson")
_ACCEPTED = (
    f"Give the path of a {' or '.join(_SUFFIXES)} file, a list of dicts, a pandas DataFrame, an MLflow "
    f"evaluation dataset, or {TRACES!r} and a filter of MLflow's"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the data.

    Attributes:
        number: Its position, counted from 0.
        place: Where it stands, such as ``"qa.jsonl:3"`` or ``"data[2]"``.
        inputs: Arguments of the function, by name.
        expectations: What the scorers compare with; a flat row's ``expected`` stands here under that name.
    """

    number: int
    place: str
    inputs: Mapping[str, Any]
    expectations: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Dataset:
    """Rows that can be read any number of times.

    Attributes:
        name: What to call it in reports.
        read: Gives, from the start, where each row stands and what stands there.
    """

    name: str
    read: Callable[[], Iterator[tuple[str, Any]]]

    def rows(self) -> Iterator[Row]:
        """Yield the rows as they are asked for; one that cannot be read is an `EvaluationError` then."""
        for number, (place, raw) in enumerate(self.read()):
            yield _row(number, place, raw)


def open_dataset(data: Any, experiment: str = "") -> Dataset:
    """Return the rows of a JSONL file (streamed), an iterable of mappings, a data frame, or a dataset of MLflow.

    Args:
        data: One of these, or ``"traces:FILTER"`` for what MLflow has recorded.
        experiment: ``"module:qualified.name"`` of the function, whose calls are read from traces.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str) and data.startswith(TRACES):
        return _from_traces(data, experiment)
    if isinstance(data, str | os.PathLike):
        return _from_path(Path(data).expanduser())
    if _is_frame(data):
        return Dataset("DataFrame", lambda: _from_frame(data))
    made = _from_mlflow(data)
    if made is not None:
        return made
    if isinstance(data, Mapping | bytes | type) or not isinstance(data, Iterable):
        raise EvaluationError(f"Cannot read rows from {_shown(data)}: it is {_kind(data)}. {_ACCEPTED}.")
    rows = data if isinstance(data, Sequence) else list(data)
    return Dataset("data", lambda: ((f"data[{number}]", row) for number, row in enumerate(rows)))


def _from_path(path: Path) -> Dataset:
    if path.suffix.lower() not in _SUFFIXES:
        raise EvaluationError(f"Cannot read rows from {str(path)!r}: its name ends otherwise. {_ACCEPTED}.")
    if not path.is_file():
        cause = "it is no file" if path.exists() else f"there is no such file (relative to {str(Path.cwd())!r})"
        raise EvaluationError(f"Cannot read rows from {str(path)!r}: {cause}. {_ACCEPTED}.")
    return Dataset(path.name, lambda: _from_lines(path))


def _from_traces(data: str, experiment: str) -> Dataset:
    rows = read_rows(data.removeprefix(TRACES).strip(), experiment)
    return Dataset(data, lambda: ((f"trace {row['trace_id']}", row) for row in rows))


def _from_lines(path: Path) -> Iterator[tuple[str, Any]]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            text = line.strip()
            if not text:
                continue
            place = f"{path}:{number}"
            try:
                yield place, json.loads(text)
            except ValueError as error:  # UnicodeDecodeError is one too.
                cause = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
                message = f"Cannot read the row at {place}: {cause}. Put one JSON object on each line."
                raise EvaluationError(message) from error


def _is_frame(data: Any) -> bool:
    return all(hasattr(data, name) for name in ("columns", "iloc", "to_dict"))


def _from_frame(frame: Any) -> Iterator[tuple[str, Any]]:
    for start in range(0, len(frame), _FRAME_ROWS):
        some = frame.iloc[start : start + _FRAME_ROWS]
        for offset, row in enumerate(some.to_dict("records")):
            yield f"row {start + offset} of the DataFrame", row


def _from_mlflow(data: Any) -> Dataset | None:
    """Return the rows of a dataset of MLflow, of `mlflow.genai.datasets` or of `mlflow.data`; None if it is none."""
    if not type(data).__module__.startswith("mlflow."):
        return None
    name = str(getattr(data, "name", None) or "MLflow dataset")
    if callable(getattr(data, "to_df", None)):
        return Dataset(name, lambda: _from_frame(data.to_df()))
    frame: Any = getattr(data, "df", None)
    target = getattr(data, "targets", None)
    if frame is None and _is_frame(getattr(data, "features_data", None)):
        labels = data.labels_data
        frame = data.features_data if labels is None else data.features_data.assign(**{EXPECTED: labels})
    if not _is_frame(frame):
        raise EvaluationError(f"Cannot read rows from {_shown(data)}: its rows are not in a DataFrame. {_ACCEPTED}.")
    renamed = frame if target is None else frame.rename(columns={target: EXPECTED})
    return Dataset(name, lambda: _from_frame(renamed))


def _row(number: int, place: str, raw: Any) -> Row:
    if not isinstance(raw, Mapping):
        raise EvaluationError(
            f"Cannot read the row at {place}: {_shown(raw)} is {_kind(raw)}. Give an object or a dict."
        )
    inputs, expectations = raw.get("inputs"), raw.get("expectations")
    if expectations is None or _is_nan(expectations):
        expectations = {}
    if not isinstance(expectations, Mapping):
        what = f"its expectations {_shown(expectations)} are {_kind(expectations)}"
        raise EvaluationError(f"Cannot read the row at {place}: {what}. Give a mapping, or `expected` for one value.")
    if EXPECTED in raw and not _is_nan(raw[EXPECTED]):
        expectations = {EXPECTED: raw[EXPECTED], **expectations}
    if not isinstance(inputs, Mapping):
        inputs = {key: value for key, value in raw.items() if key not in (EXPECTED, "expectations")}
    return Row(number, place, inputs, expectations)


def _is_nan(value: Any) -> bool:
    """Tell whether a data frame has nothing there."""
    return isinstance(value, float) and math.isnan(value)


def _shown(value: Any) -> str:
    return redactor().excerpt(repr(redactor().redact(value)), _SHOWN)


def _kind(value: Any) -> str:
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
