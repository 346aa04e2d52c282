"""Running a program as ``python`` does: a script, text, a module, or a folder or zip file with a ``__main__``."""

import atexit
import builtins
import linecache  # noqa: TID251 - tells what the lines of a program are, reads none
import os
import pkgutil
import runpy
import signal
import sys
import textwrap
from collections.abc import Callable
from importlib.machinery import BuiltinImporter
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any

from spearmint.instrument.child_processes.autostart import is_autostart_enabled
from spearmint.instrument.child_processes.lazy_finder import CHILD_VARIABLE, PROGRAM_VARIABLE
from spearmint.instrument.child_processes.python_command import parse_python_command
from spearmint.instrument.importing.main_module import code_of, code_of_text, loader_of

_TEXT = "<string>"
_CACHED: dict[str, Any] = {"__cached__": None} if sys.version_info < (3, 15) else {}
_OURS = ("spearmint.cli.", "spearmint.instrument.")


def run_script(script: str, args: list[str]) -> None:
    """Run a script, or the ``__main__`` of a folder or zip file; a `SystemExit` says how it ended."""
    _set_arguments([script, *args])
    if CHILD_VARIABLE in os.environ:
        os.environ[PROGRAM_VARIABLE] = os.path.realpath(script)
    importer = pkgutil.get_importer(script)
    if importer is not None:
        _keep_spearmint_on_path(importer)
        _set_first_path(os.path.join(Path.cwd(), script))  # noqa: PTH118 - python leaves dots in it
        _run(lambda: _run_module("__main__", alters_argv=False))
    else:
        _set_first_path(os.path.dirname(os.path.realpath(script)))  # noqa: PTH120 - as python does
        _run(lambda: _run_file(os.path.join(Path.cwd(), script)))  # noqa: PTH118 - python leaves dots in it


def _keep_spearmint_on_path(importer: Any) -> None:
    """Have a .pex file that starts itself again leave Spearmint on the path, where `spearmint autostart` gets it in."""
    try:
        importer.get_data("PEX-INFO")
    except (AttributeError, OSError):  # It is another zip application, or a folder.
        return
    if is_autostart_enabled():
        os.environ.setdefault("PEX_INHERIT_PATH", "fallback")


def run_module(name: str, args: list[str]) -> None:
    """Run a module, or the ``__main__`` of a package, as ``python -m`` does."""
    _set_arguments(["-m", *args], "-m", name, *args)
    _set_first_path(str(Path.cwd()))
    _run(lambda: _run_module(name, alters_argv=True))


def run_code(code: str, args: list[str]) -> None:
    """Run a program that is given as text, as ``python -c`` does."""
    _set_arguments(["-c", *args], "-c", code, *args)
    _set_first_path("")
    if sys.version_info >= (3, 14):
        code = textwrap.dedent(code)
    if sys.version_info >= (3, 13):  # Tracebacks show its lines.
        linecache.cache[_TEXT] = (len(code), None, code.splitlines(keepends=True), _TEXT)
    _run(lambda: _run_text(code.encode("utf-8", "surrogateescape"), _TEXT))


def run_stdin(args: list[str]) -> None:
    """Run the program that standard input holds, as ``python -`` does."""
    _set_arguments(["-", *args])
    _set_first_path("")
    _run(lambda: _run_text(sys.stdin.buffer.read(), "<stdin>", __file__="<stdin>", **_CACHED))


def _set_arguments(argv: list[str], *original: str) -> None:
    """Give the program the arguments that it would have under ``python``, and those with which to start it again."""
    interpreter = sys.orig_argv[:1] or [sys.executable]
    sys.orig_argv[:] = [*interpreter, *parse_python_command(sys.orig_argv).options, *(original or argv)]
    sys.argv = argv


def _set_first_path(folder: str) -> None:
    """Put the program's folder in place of the command's own on ``sys.path``."""
    if not sys.flags.safe_path:
        sys.path[0] = folder


def _run_module(name: str, *, alters_argv: bool) -> None:
    _new_main()
    # What `python -m` itself calls. The public `run_module` would put the module into a namespace of its own.
    run: Callable[[str, bool], object] = runpy._run_module_as_main  # type: ignore[attr-defined] # noqa: SLF001
    run(name, alters_argv)


def _run_file(path: str) -> None:
    main = _new_main()
    loader = loader_of(path)
    main.__dict__.update(__file__=path, __loader__=loader, **_CACHED)
    exec(_compiled(lambda: code_of(loader, path)), main.__dict__)  # noqa: S102 - running it is what was asked for


def _run_text(source: bytes, name: str, **names: Any) -> None:
    main = _new_main()
    main.__dict__.update(names, __loader__=BuiltinImporter)  # As under python, odd as it is.
    exec(_compiled(lambda: code_of_text(source, name)), main.__dict__)  # noqa: S102 - as above


def _compiled(compiling: Callable[[], CodeType]) -> CodeType:
    try:
        return compiling()
    except Exception as error:  # noqa: BLE001 - whatever compiling raises
        # The program has no frame yet; those of importlib would not be there under python.
        raise error.with_traceback(None) from None


def _new_main() -> ModuleType:
    main = ModuleType("__main__")
    names = vars(main)
    names["__builtins__"] = builtins
    if sys.version_info < (3, 14):
        names["__annotations__"] = {}
    sys.modules["__main__"] = main
    return main


def _run(start: Callable[[], object]) -> None:
    """Start a program, and end as the interpreter does when it has ended."""
    try:
        start()
    except SystemExit:
        raise
    except BaseException as error:  # noqa: BLE001 - told as the interpreter tells it
        failure = error
    else:
        return
    _interruption.is_pending = isinstance(failure, KeyboardInterrupt)
    _tell(failure)  # Where no exception is being handled, as for an excepthook of the interpreter's.
    sys.exit(1)


class _Interruption:
    """Ends the process by SIGINT, as the interpreter does after a KeyboardInterrupt, so that a shell knows of it."""

    def __init__(self) -> None:
        self.is_pending = False
        atexit.register(self._end)  # What is registered first runs last.

    def _end(self) -> None:
        if self.is_pending:
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGINT)


_interruption = _Interruption()


def _tell(error: BaseException) -> None:
    trace = _without_ours(error.__traceback__)
    error.__traceback__ = trace
    try:
        sys.excepthook(type(error), error, trace)
    except Exception as raised:  # noqa: BLE001 - what the interpreter does about it
        second = raised
    else:
        return
    second.__traceback__ = _without_ours(second.__traceback__)
    sys.stderr.write("Error in sys.excepthook:\n")
    sys.__excepthook__(type(second), second, second.__traceback__)
    sys.stderr.write("\nOriginal exception was:\n")
    sys.__excepthook__(type(error), error, trace)


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """Return a traceback without the frames that started the program, or that read a module of it."""
    kept = []
    while trace is not None:
        if not str(trace.tb_frame.f_globals.get("__name__")).startswith(_OURS):
            kept.append(trace)
        trace = trace.tb_next
    chain: TracebackType | None = None
    for one in reversed(kept):
        chain = TracebackType(chain, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return chain
