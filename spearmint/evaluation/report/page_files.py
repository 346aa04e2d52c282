"""A page on disk: one file, and beside it a folder with the rows that would make it too large."""

import hashlib
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from spearmint.evaluation.report.files import write_whole
from spearmint.evaluation.report.labels import readable
from spearmint.evaluation.report.page import Content, page_of

_PART = "rows-*.js"


def save_page(path: Path, content: Content) -> None:
    """Write a page: whole, or not at all; the files of an earlier one stay until it is there.

    Raises:
        EvaluationError: If a file cannot be written.
    """
    folder = path.with_name(f"{path.stem}_files")
    before = set(folder.glob(_PART))
    written: set[Path] = set()

    def write(part: str) -> str:
        """Write a part to a file named by what it holds, so that no page reads that of another."""
        digest = hashlib.blake2b(part.encode("utf-8", "backslashreplace"), digest_size=12).hexdigest()
        file = folder / f"rows-{digest}.js"
        place = f"{quote(folder.name)}/{file.name}"
        written.add(file)
        write_whole(file, readable(f'"use strict";\nspearmintRows("{place}", {part});\n'))
        return place

    is_saved = False
    try:
        write_whole(path, page_of(content, write))
        is_saved = True
    finally:
        for file in before - written if is_saved else written - before:
            file.unlink(missing_ok=True)
        with suppress(OSError):  # It is not there, or holds something.
            folder.rmdir()
