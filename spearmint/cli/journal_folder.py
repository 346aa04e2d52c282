"""Where a command finds the journal: said on the command line, or in the settings."""

from pathlib import Path

from spearmint.cli.output import fail


def journal_folder(given: Path | None, config: Path | None) -> Path:
    """Return the folder of the journal, or end the command with what to write."""
    from spearmint.instrument.settings.load import find_settings, inspect_settings  # noqa: PLC0415 - as it is needed

    if given is not None:
        if not given.is_dir():
            raise fail(f"Cannot read the journal {str(given)!r}: there is no such folder. Check the path.", 2)
        return given
    path = config or find_settings()
    if path is None:
        raise fail("Cannot find the journal: there is no settings file. Give --journal FOLDER, or --config.", 2)
    loaded, _ = inspect_settings(path)
    journal = (loaded.settings.online or {}).get("journal")
    if journal is None:
        raise fail(f"Cannot find the journal: {path} has no 'online: {{journal: ...}}'. Give --journal FOLDER.", 2)
    folder: Path = loaded.origin.folder / journal
    if not folder.is_dir():
        raise fail(f"Cannot read the journal {str(folder)!r}: nothing has been written to it yet. Run the program.", 2)
    return folder
