"""Which CPython versions the extractors know, and how their compilers differ for the reader of an AST."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class CompilerFacts:
    """What a version's compiler does with source, where versions differ.

    Attributes:
        defers_annotations: Annotations become `__annotate__` functions (PEP 649) instead of being run in place.
        mangles_generic_bases: Private names in the bases of a generic class are mangled, with the name of that class.
        threads_conditions: In `a and b or c`, a false `a` goes straight to `c`, so that `a` is not a possible value.
        decides_operations: Operations on constants are folded before conditions are decided, as in `if -1:`.
        folds_empty_f_strings: An f-string without any text is a constant.
    """

    defers_annotations: bool = False
    mangles_generic_bases: bool = False
    threads_conditions: bool = False
    decides_operations: bool = True
    folds_empty_f_strings: bool = True


_SINCE_3_14 = CompilerFacts(defers_annotations=True, threads_conditions=True, decides_operations=False)

COMPILERS: Mapping[tuple[int, int], CompilerFacts] = MappingProxyType(
    {
        (3, 11): CompilerFacts(threads_conditions=True, folds_empty_f_strings=False),
        (3, 12): CompilerFacts(mangles_generic_bases=True, folds_empty_f_strings=False),
        (3, 13): CompilerFacts(),
        (3, 14): _SINCE_3_14,
        (3, 15): _SINCE_3_14,
    }
)


def is_supported() -> bool:
    """Tell whether the extractors know the running interpreter: CPython 3.11 to 3.15."""
    return sys.implementation.name == "cpython" and sys.version_info[:2] in COMPILERS


def compiler_facts() -> CompilerFacts:
    """Look up the running interpreter's compiler; one that `is_supported` does not know is a `NotImplementedError`."""
    require_support()
    return COMPILERS[sys.version_info[:2]]


def require_support() -> None:
    """Refuse an interpreter whose compiler and opcodes are not described here, with a `NotImplementedError`."""
    if not is_supported():
        msg = f"Cannot read calls on {unknown_python()}. Use one of these, or ask is_supported() first."
        raise NotImplementedError(msg)


def unknown_python() -> str:
    """Return what there is to say of an interpreter that is not described here."""
    running = f"{sys.implementation.name} {sys.version_info[0]}.{sys.version_info[1]}"
    known = ", ".join(f"{major}.{minor}" for major, minor in COMPILERS)
    return f"{running}, whose compiler is not described: known are CPython {known}"
