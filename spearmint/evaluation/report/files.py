"""Files of a report: written whole or not at all, and safe to open elsewhere."""

import csv
import io
import os
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from spearmint.errors import EvaluationError
from spearmint.evaluation.report.labels import cut, readable, text_of

_LONGEST_CELL = 32_000  # characters, which spreadsheets take
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_whole(path: Path, text: str) -> None:
    """Write a text beside a file and rename it over the file, so that a failure leaves what stood there."""
    target = Path(os.path.realpath(path))
    aside = target.with_name(f".{target.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            with aside.open("x", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                aside.chmod(target.stat().st_mode & 0o777)
            aside.replace(target)
        finally:
            aside.unlink(missing_ok=True)
    except OSError as error:
        cause = error.strerror or type(error).__name__
        advice = "Make room or give another path; what stood there before is as it was"
        raise EvaluationError(f"Cannot save the report to {str(path)!r}: {cause}. {advice}.") from error


def csv_of(rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV that no spreadsheet takes for formulas.

    A text that begins as a formula does gets an apostrophe in front, as OWASP advises
    (https://owasp.org/www-community/attacks/CSV_Injection); texts have bounded length.
    """
    listed = list(rows)
    names = list(dict.fromkeys(name for row in listed for name in row))
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(map(_cell, names))
    writer.writerows([_cell(row.get(name)) for name in names] for row in listed)
    return readable(written.getvalue())


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = cut(value, _LONGEST_CELL) if isinstance(value, str) else text_of(value, _LONGEST_CELL)
    lines = text.replace("\r\n", "\n").replace("\r", "\n")  # a lone one would stand unquoted, and end the row
    return f"'{lines}" if text.startswith(_FORMULA) else lines
