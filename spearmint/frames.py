"""Frames of Spearmint between a caller and an experiment's function, passed over as those of an import are.

`warnings` and `logging` count ``stacklevel`` without frames whose file name holds both words of `HIDDEN`, the mark of
the import system; pytest leaves out frames whose namespace has a true ``__tracebackhide__``.
"""

from types import CodeType, FunctionType
from typing import Any

HIDDEN = "importlib._bootstrap"


def hide_frames(namespace: dict[str, Any]) -> None:
    """Hide the frames of all functions of a module, given its ``globals()`` once they are defined."""
    namespace["__tracebackhide__"] = True
    owners = [value for value in namespace.values() if isinstance(value, type)]
    for held in (namespace, *map(vars, owners)):
        for value in list(held.values()):
            if isinstance(value, FunctionType) and value.__globals__ is namespace and not has_no_frame(value.__code__):
                value.__code__ = _renamed(value.__code__)


def has_no_frame(code: CodeType) -> bool:
    """Tell whether the frames of a code object are passed over."""
    return HIDDEN in code.co_filename


def _renamed(code: CodeType) -> CodeType:
    inner = tuple(_renamed(one) if isinstance(one, CodeType) else one for one in code.co_consts)
    # Not within <>: the lines in a traceback are then still read through the module's loader.
    return code.replace(co_filename=f"{code.co_filename} ({HIDDEN})", co_consts=inner)


def on_one_line(code: CodeType) -> CodeType:
    """Put all of a code object on its first line, so that a debugger steps over it at once.

    So are the instructions that the compiler adds without a line, after which a debugger would stop again.
    """
    inner = tuple(on_one_line(one) if isinstance(one, CodeType) else one for one in code.co_consts)
    # Entries for up to 8 code units each, of kind 13: no columns, and 0 lines from the one before. See the section on
    # locations in CPython's InternalDocs/code_objects.md.
    units = len(code.co_code) // 2
    entries = (bytes((0x80 | 13 << 3 | min(8, units - start) - 1, 0)) for start in range(0, units, 8))
    return code.replace(co_consts=inner, co_linetable=b"".join(entries))
