"""Children that cannot be instrumented are told of, once."""

import functools
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from spearmint.instrument.child_processes.autostart import is_autostart_enabled
from spearmint.instrument.child_processes.lazy_finder import CHILD_VARIABLE, STARTUP_FOLDER
from spearmint.instrument.child_processes.python_command import is_python, parse_python_command
from spearmint.warn import warn_once

_DISTRIBUTION = "spearmint_experiments-*.dist-info"
_HELPER = "multiprocessing.resource_tracker"  # It runs nothing of the program's.
_ENVIRONMENT_ARGUMENT = 5  # Of `fork_exec`.


def watch_children() -> Callable[[], None]:
    """Warn of the first Python that this process starts and that will not be instrumented.

    What starts processes on POSIX comes down to three functions, each of which gets the whole command line:
    `fork_exec`, which `subprocess` and `multiprocessing` call, `os.posix_spawn` and `os.execve` with their like.

    Returns:
        What takes it back.
    """
    if os.name != "posix":
        return lambda: None
    import _posixsubprocess  # noqa: PLC0415 - as the condition says
    import subprocess  # noqa: PLC0415 - as this module, it is needed by those who start processes

    def of_fork_exec(arguments: Sequence[Any], executables: Sequence[Any], *rest: Any) -> None:
        environment = rest[_ENVIRONMENT_ARGUMENT - 2]
        pairs = None if environment is None else dict(os.fsdecode(one).partition("=")[::2] for one in environment)
        tell_if_unreachable(arguments, executables[0] if len(executables) == 1 else arguments[0], pairs)

    def of_exec(path: Any, arguments: Sequence[Any], environment: Any = None, *_: Any, **__: Any) -> None:
        tell_if_unreachable(arguments, path, environment)

    with ExitStack() as undo:
        for owner, name, look in (
            (_posixsubprocess, "fork_exec", of_fork_exec),
            (subprocess, "_fork_exec", of_fork_exec),
            (os, "posix_spawn", of_exec),
            (os, "posix_spawnp", of_exec),
            (os, "execv", of_exec),
            (os, "execve", of_exec),
        ):
            if hasattr(owner, name):
                undo.callback(_look_first(owner, name, look))
        return undo.pop_all().close


def _look_first(owner: Any, name: str, look: Callable[..., None]) -> Callable[[], None]:
    start = getattr(owner, name)

    @functools.wraps(start)
    def look_and_start(*args: Any, **options: Any) -> Any:
        with suppress(Exception):  # Odd arguments are refused by what is called next.
            look(*args, **options)
        return start(*args, **options)

    def restore() -> None:
        if getattr(owner, name) is look_and_start:  # Else another library has put something around it.
            setattr(owner, name, start)

    setattr(owner, name, look_and_start)
    return restore


def tell_if_unreachable(arguments: Sequence[Any], executable: Any, environment: Mapping[Any, Any] | None) -> None:
    """Warn, once in this process, if a command starts a Python that will not be instrumented.

    Args:
        arguments: The command line.
        executable: The program.
        environment: Its environment variables; None for those of this process.
    """
    variables = os.environ if environment is None else {os.fsdecode(k): os.fsdecode(v) for k, v in environment.items()}
    command = [os.fsdecode(one) for one in arguments]
    path = os.fsdecode(executable)
    if not is_python(path) or any(_HELPER in one for one in command):
        return
    where = shutil.which(path, path=variables.get("PATH")) or path
    found = next(_obstacles(parse_python_command(command).flags, where, variables), None)
    if found is not None:
        cause, advice = found
        shown = " ".join(command)
        message = (
            f"A child process is not instrumented: {cause}: {shown:.200}. {advice}, or say 'propagate_children: false' "
            "in the settings. Later ones are not told of."
        )
        warn_once(tell_if_unreachable, message)


def _obstacles(flags: frozenset[str], path: str, variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what keeps a Python from being instrumented, each with what helps."""
    if "S" in flags:
        yield "it runs with -S", "Start it without"
    if CHILD_VARIABLE not in variables:
        yield f"its environment has no {CHILD_VARIABLE}", "Give it the variables of os.environ too"
    prefix = _prefix(path)
    is_same = prefix == Path(sys.prefix).resolve()
    if not is_same and not any((prefix / "lib").glob(f"python*/*-packages/{_DISTRIBUTION}")):
        yield f"Spearmint is not installed for {path}", "Install it there"
    if is_same and is_autostart_enabled():
        return
    for flag in flags & {"I", "E"}:
        yield f"it runs with -{flag}", "Run 'spearmint autostart enable' in its environment"
    if STARTUP_FOLDER not in variables.get("PYTHONPATH", "").split(os.pathsep):
        yield "its PYTHONPATH is another one", "Put what PYTHONPATH holds here in front of it"


def _prefix(path: str) -> Path:
    """Return the folder of the environment that a Python is of."""
    here = Path(path).absolute().parent.parent
    return (here if (here / "pyvenv.cfg").is_file() else Path(path).resolve().parent.parent).resolve()
