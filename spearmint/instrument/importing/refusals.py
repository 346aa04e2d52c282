"""What is said where a decorator refuses an experiment, which stands where a plain function would."""

import functools
import inspect
from collections.abc import Callable, Iterator
from types import CodeType, ModuleType, TracebackType
from typing import Any

from spearmint.errors import SettingsError
from spearmint.instrument.rewrite.module_rewriter import ModuleRewriter


def explaining(loader: Any, rewriter: ModuleRewriter) -> Any:
    """Have a loader say of an error of a decorator which target it may be about; the error itself stays as it is."""
    loader.exec_module = functools.partial(_run, loader.exec_module, rewriter)
    return loader


def _run(run: Callable[[ModuleType], object], rewriter: ModuleRewriter, module: ModuleType) -> None:
    try:
        run(module)
    except Exception as error:
        note(error, rewriter, vars(module))
        raise


# The import system leaves frames of these names, and those around them, out of tracebacks.
_run.__code__ = _run.__code__.replace(co_filename="<frozen importlib._bootstrap>", co_name="_call_with_frames_removed")


def note(error: Exception, rewriter: ModuleRewriter, namespace: dict[str, Any]) -> None:
    """Add to an error which experiment was being made when it was raised, if one was."""
    if isinstance(
        error, SettingsError
    ):  # It is the settings', and says where; no decorator has anything to do with it.
        return
    for name in _made_in(error.__traceback__, namespace):
        if name in map(_plain, rewriter.wrapped):
            target = f"{rewriter.name}:{name}"
            error.add_note(
                f"This was raised where {target} is made, which is an experiment of Spearmint's. If a decorator there "
                f"takes nothing but plain functions, put {target!r} under 'exclude' of its package, or name it as a "
                "target with 'position: outermost'."
            )
            return


def _plain(name: str) -> str:
    return name.partition("#")[0]


def _made_in(trace: TracebackType | None, namespace: dict[str, Any]) -> Iterator[str]:
    """Yield the functions whose decorators stand in a line that an error has come through."""
    while trace is not None:
        code = trace.tb_frame.f_code
        is_body = not code.co_flags & inspect.CO_OPTIMIZED  # Of the module, or of a class.
        if is_body and trace.tb_frame.f_globals is namespace:
            inner = [one for one in code.co_consts if isinstance(one, CodeType)]
            line = trace.tb_lineno
            yield from (one.co_qualname for one in inner if one.co_firstlineno <= line <= _first_line_of_body(one))
        trace = trace.tb_next


def _first_line_of_body(code: CodeType) -> int:
    start = code.co_firstlineno
    return min((line for _, _, line in code.co_lines() if line is not None and line > start), default=start)
