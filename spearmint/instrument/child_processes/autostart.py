"""The file in site-packages that instruments children whose environment variables Python does not read."""

import sys
import sysconfig
from pathlib import Path

from spearmint.errors import SpearmintError

_FIRST_WITH_START_FILES = (3, 15)
_NAME = "zz-spearmint-autostart"  # After the files that put editable installs on the path.
_MODULE = "_spearmint_autostart"
# Read at every start of Python in the environment: it asks for one name, and is done.
_LINE = f'import os; "SPEARMINT_CHILDREN" in os.environ and __import__("{_MODULE}").start()\n'
_ENTRY = f"{_MODULE}:start\n"
_SOURCE = '''"""Written by `spearmint autostart enable`; `spearmint autostart disable` removes it."""

import os


def start():
    if "SPEARMINT_CHILDREN" in os.environ:
        try:
            from spearmint.instrument.child_processes.lazy_finder import install_lazy_finder
        except ModuleNotFoundError:  # Spearmint has been uninstalled.
            return
        install_lazy_finder()
'''


def site_packages() -> Path:
    """Return the folder of this environment that the files go into."""
    return Path(sysconfig.get_path("purelib"))


def enable_autostart(*, as_start_file: bool = False) -> list[Path]:
    """Have every Python of this environment ask, as it starts, whether its parent wants it instrumented.

    Args:
        as_start_file: Whether a ``.start`` file (PEP 829) is written instead of a ``.pth`` file. CPython 3.15 imports
            `pkgutil` for the first such file, which nearly doubles the time of its start; a ``.pth`` file costs less
            than can be measured.

    Returns:
        The files that were written.

    Raises:
        SpearmintError: If they cannot be written, none of them is there then; or if this Python reads no ``.start``
            files.
    """
    if as_start_file and sys.version_info < _FIRST_WITH_START_FILES:
        message = "Cannot use a .start file: Python reads them from 3.15 on. Leave it out: a .pth file does the same."
        raise SpearmintError(message)
    disable_autostart()
    folder = site_packages()
    written = []
    try:
        for path, text in _files(folder, as_start_file=as_start_file):
            path.write_text(text, encoding="utf-8")
            written.append(path)
    except OSError as error:
        disable_autostart()
        message = (
            f"Cannot write to {str(folder)!r}: {error.strerror or error}. Run the command as a user who may, or in a "
            "virtual environment."
        )
        raise SpearmintError(message) from error
    return written


def disable_autostart() -> list[Path]:
    """Remove all that `enable_autostart` has written, be it under another version of Python or of Spearmint.

    Returns:
        The files that were removed.

    Raises:
        SpearmintError: If one cannot be removed.
    """
    folder = site_packages()
    found = [folder / f"{_NAME}.pth", folder / f"{_NAME}.start", folder / f"{_MODULE}.py"]
    found += (folder / "__pycache__").glob(f"{_MODULE}.*.pyc")
    removed = []
    for path in found:
        try:
            path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            message = f"Cannot remove {str(path)!r}: {error.strerror or error}. Remove it by hand."
            raise SpearmintError(message) from error
        removed.append(path)
    return removed


def is_autostart_enabled() -> bool:
    """Tell whether the files are there, as this version of Spearmint writes them."""
    folder = site_packages()
    forms = (False, True) if sys.version_info >= _FIRST_WITH_START_FILES else (False,)
    return any(all(map(_is_written, _files(folder, as_start_file=form))) for form in forms)


def _files(folder: Path, *, as_start_file: bool) -> list[tuple[Path, str]]:
    """Return the files, the one that sets it all off last."""
    suffix, text = (".start", _ENTRY) if as_start_file else (".pth", _LINE)
    return [(folder / f"{_MODULE}.py", _SOURCE), (folder / f"{_NAME}{suffix}", text)]


def _is_written(file: tuple[Path, str]) -> bool:
    path, text = file
    try:
        return path.read_text(encoding="utf-8") == text
    except (OSError, UnicodeDecodeError):
        return False
