"""How cases are named for readers: by the parameters in which they differ."""

import math
import re
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from spearmint.evaluation.run.case_names import EvaluatedCase

ABSENT = "-"
_SHORT_ID = 12
_BEFORE = 8  # characters that are shown before the first that differs
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")


def varying_parameters(cases: Sequence[EvaluatedCase]) -> list[str]:
    """Return the paths of the parameters that are not the same in all cases."""
    paths = dict.fromkeys(path for case in cases for path in case.parameters)
    return [path for path in paths if len({value_key(case, path) for case in cases}) > 1]


def value_key(case: EvaluatedCase, path: str) -> str:
    """Return what two cases have in common where a parameter has the same value in both."""
    return repr(case.parameters[path]) if path in case.parameters else ""


def short_names(paths: Iterable[str]) -> dict[str, str]:
    """Return for each path its last part; the whole path where several end alike."""
    names = {path: path.rpartition(": ")[2].rpartition(".")[2] for path in paths}
    counts = Counter(names.values())
    return {path: name if counts[name] == 1 else path for path, name in names.items()}


def labels_of(cases: Sequence[EvaluatedCase]) -> list[str]:
    """Return a label for each case: the parameters in which they differ, or its id where nothing else tells it."""
    names = short_names(varying_parameters(cases))
    texts = [
        " · ".join(f"{name}={value_text(case.parameters, path)}" for path, name in names.items()) for case in cases
    ]
    counts = Counter(texts)
    return [
        text if text and counts[text] == 1 else f"{short_id(case.case_id)} {text}".strip()
        for case, text in zip(cases, texts, strict=True)
    ]


def value_text(parameters: Mapping[str, Any], path: str, length: int = 40) -> str:
    """Return a parameter's value as text of bounded length; a dash where there is none."""
    return text_of(parameters[path], length) if path in parameters else ABSENT


def text_of(value: Any, length: int) -> str:
    """Return a value as readable text of bounded length."""
    text = f"{value:.6g}" if isinstance(value, float) else value if isinstance(value, str) else _repr(value)
    return readable(cut(text, length))


def texts_of(values: Sequence[Any], length: int) -> list[str]:
    """Return values as texts of one line and bounded length; of those that begin alike, from where they differ."""
    whole = [" ".join(text_of(value, sys.maxsize).split()) for value in values]
    texts = [cut(text, length) for text in whole]
    counts = Counter(texts)
    found = []
    for text, short in zip(whole, texts, strict=True):
        alike = [other for other, begin in zip(whole, texts, strict=True) if begin == short and other != text]
        if counts[short] > 1 and alike:
            start = max(max(_common_length(text, other) for other in alike) - _BEFORE, 0)
            found.append(f"…{cut(text[start:], length - 1)}")
        else:
            found.append(short)
    return found


def _common_length(first: str, second: str) -> int:
    shorter = min(len(first), len(second))
    return next((at for at in range(shorter) if first[at] != second[at]), shorter)


def _repr(value: Any) -> str:
    try:
        return str(value)
    except Exception as error:  # noqa: BLE001 - a value of the user's may do anything
        return f"<{type(value).__name__} whose text cannot be told: {type(error).__name__}>"


def cut(text: str, length: int) -> str:
    """Return a text of at most so many characters; of a longer one, the beginning and an ellipsis."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def readable(text: str) -> str:
    """Return a text that any file takes: lone surrogates and control characters are escaped."""
    encodable = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", encodable)


def short_id(case_id: str) -> str:
    """Return what of an id is enough to tell it by."""
    parts = case_id.split("+")
    length = 8 if len(parts) == 1 else 4  # of the ids of several experiments, few characters each will do
    return "+".join(part if len(part) <= _SHORT_ID else part[:length] for part in parts)


def seconds_text(seconds: float) -> str:
    """Return a duration in the unit that suits it."""
    if math.isnan(seconds):
        return ABSENT
    if seconds == 0:
        return "0 s"
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e9:.0f} ns"
