"""What PyInstaller asks for when it freezes an application that uses Spearmint."""

from pathlib import Path


def get_hook_dirs() -> list[str]:
    """Return the folder of the hook; PyInstaller finds this function by the entry point ``pyinstaller40``."""
    return [str(Path(__file__).parent)]
