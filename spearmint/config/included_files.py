"""Files whose text YAML holds by ``!file``: noted by what reads them, known to what watches files."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

_included: dict[str, dict[Path, None]] = {}
"""From the absolute path of a file to the files that it included when it was read last."""


def forget_included(source: str) -> None:
    """Forget what a file includes, as it is about to be read."""
    _included.pop(os.path.abspath(source), None)  # noqa: PTH100 - a source may be any text, and links are not followed


def note_included(source: str, file: Path) -> None:
    """Note that a file includes another one, which need not be there yet."""
    _included.setdefault(os.path.abspath(source), {})[file.absolute()] = None  # noqa: PTH100 - as above


def with_included(files: Iterable[Path]) -> Iterator[Path]:
    """Yield files, each with those that it included when it was read last."""
    for file in files:
        yield file
        yield from tuple(_included.get(os.path.abspath(file), ()))  # noqa: PTH100 - as above
