"""The calls of a body that is so simple that a linear scan of its code is enough.

What CPython loads to call it at once, it loads with a flag. Where every name of a body that could lead somewhere is
loaded in that way, the order of the stack need not be worked out, which takes four times as long.
"""

import dis
import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType

from spearmint.discovery.cpython import is_supported

Chain = tuple[str, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class ScanResult:
    """What is seen: names, each with the attributes that follow it.

    Attributes:
        calls: What is called.
        other_names: What is named otherwise. If one of these can be called, looking is not enough.
    """

    calls: tuple[Chain, ...]
    other_names: tuple[Chain, ...]


_OPCODES = dis.opmap
_NO_OPCODE = -1
_RESULTS = (("super", ()), ("type", ()))  # What these return is called by name, too.
_LOAD_GLOBAL = _OPCODES["LOAD_GLOBAL"]
_LOAD_ATTR = _OPCODES["LOAD_ATTR"]
_LOAD_METHOD = _OPCODES["LOAD_METHOD"] if sys.version_info < (3, 12) else _NO_OPCODE
_LOAD_LOCAL = frozenset(
    opcode for name, opcode in _OPCODES.items() if name in ("LOAD_FAST", "LOAD_FAST_CHECK", "LOAD_FAST_BORROW")
)
# Two at once: the number of the second is in the lower half.
_LOAD_LOCALS = frozenset(
    opcode for name, opcode in _OPCODES.items() if name.startswith(("LOAD_FAST_", "STORE_FAST_")) and "_LOAD_" in name
)
_EXTENDED_ARG = dis.EXTENDED_ARG
# What leaves a name on the stack for code that stands elsewhere.
_JOINS = frozenset(
    opcode
    for name, opcode in _OPCODES.items()
    if name in ("COPY", "SWAP", "JUMP_FORWARD") or name.startswith("JUMP_IF_")
)
# What brings in other scopes.
_INTRICATE = frozenset(
    opcode
    for name, opcode in _OPCODES.items()
    if name in ("IMPORT_NAME", "LOAD_NAME", "MAKE_FUNCTION")
    or any(part in name for part in ("DEREF", "CLOSURE", "SUPER", "LOAD_FROM_DICT"))
)

_results: weakref.WeakKeyDictionary[CodeType, ScanResult | None] = weakref.WeakKeyDictionary()


def fast_scan(code: CodeType) -> ScanResult | None:
    """Scan a function's code; None where it takes the extractor to tell."""
    try:
        return _results[code]
    except KeyError:
        found = _results[code] = _scan(code) if is_supported() else None
        return found


def _scan(code: CodeType) -> ScanResult | None:
    raw = code.co_code
    if not _INTRICATE.isdisjoint(raw[::2]):
        return None
    calls: dict[Chain, None] = {}
    other_names: dict[Chain, None] = {}
    for chain, is_called in _chains(code, raw):
        if chain is None or (is_called and chain in _RESULTS):
            return None
        (calls if is_called else other_names)[chain] = None
    return ScanResult(tuple(calls), tuple(other_names))


def _chains(code: CodeType, raw: bytes) -> Iterator[tuple[Chain | None, bool]]:
    """Yield each name with its attributes, and whether it is loaded to be called; None where looking is not enough."""
    names, variables = code.co_names, code.co_varnames
    first = variables[0] if code.co_argcount else ""
    root: str | None = None
    path: tuple[str, ...] = ()
    is_called, extended = False, 0
    for opcode, argument in zip(raw[::2], raw[1::2], strict=True):
        if not opcode:  # Room for the interpreter's own use.
            continue
        value = argument | extended
        extended = value << 8 if opcode == _EXTENDED_ARG else 0
        if opcode == _EXTENDED_ARG:
            continue
        if root is not None:
            if opcode == _LOAD_METHOD:
                path, is_called = (*path, names[value]), True
                continue
            if opcode == _LOAD_ATTR:
                is_called = bool(_LOAD_METHOD == _NO_OPCODE and value & 1)
                path = (*path, names[value if _LOAD_METHOD != _NO_OPCODE else value >> 1])
                continue
            yield (None if opcode in _JOINS else (root, path)), is_called
            root = None
        if opcode == _LOAD_GLOBAL:
            root, path, is_called = names[value >> 1], (), bool(value & 1)
        elif opcode in _LOAD_LOCAL or opcode in _LOAD_LOCALS:
            if opcode in _LOAD_LOCALS and variables[value >> 4] == first:
                yield (first, ()), False
            local = variables[value if opcode in _LOAD_LOCAL else value & 15]
            root, path, is_called = (local, (), False) if local == first else (None, (), False)
