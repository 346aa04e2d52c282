"""A module's code with the experiment wrapper where its targets are made."""

import dis
import inspect
import sys
from collections.abc import Iterator, Sequence
from types import CodeType
from typing import Any

from bytecode import Bytecode, Instr

from spearmint.discovery import calls_in_code, is_supported
from spearmint.instrument.rewrite.interpolations import without_interpolations
from spearmint.instrument.rewrite.result import (
    ENTRY,
    OUTERMOST,
    TYPE_CHECKING,
    DefinitionNames,
    IsTarget,
    Refused,
    RewrittenCode,
)
from spearmint.signatures import parameter_names_in_code

_FUNCTION = "wrap_made"
_DECORATED = "wrap_decorated"
_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL", "STORE_FAST", "STORE_DEREF"})
_BETWEEN = frozenset({"CACHE", "EXTENDED_ARG", "TO_BOOL"})
_OF_TYPE_VARIABLES = frozenset(
    {
        "INTRINSIC_SET_TYPEPARAM_DEFAULT",
        "INTRINSIC_TYPEVAR_WITH_BOUND",
        "INTRINSIC_TYPEVAR_WITH_CONSTRAINTS",
    }
)


def rewrite_code(code: CodeType, is_target: IsTarget) -> RewrittenCode | Refused:
    """Put the wrapper on the functions of a module that are targets, without any source.

    Where a target is made, the new function is passed to the wrapper before anything else gets it. Only code objects
    that make targets are assembled anew, those around them get other constants, and all others stay as they are.

    Args:
        code: The code of the module.
        is_target: Tells which definitions to wrap.

    Returns:
        The code and what is wrapped in it, or why it cannot be rewritten.

    Raises:
        ValueError: If the code holds opcodes that the compiler does not emit.
    """
    if not is_supported():
        return Refused("the opcodes of this Python are not known")
    rewrite = _Rewrite(DefinitionNames(calls_in_code(code)), is_target)
    changed = rewrite.of(code)
    return RewrittenCode(changed, tuple(dict.fromkeys(rewrite.wrapped)))


class _Rewrite:
    """One pass over the code objects of a module."""

    def __init__(self, definitions: DefinitionNames, is_target: IsTarget) -> None:
        self._definitions = definitions
        self._is_target = is_target
        self._hidden: set[int] = set()
        self._outermost: set[str] = set()
        self.wrapped: list[str] = []

    def of(self, code: CodeType) -> CodeType:
        """Return a code object with its targets wrapped, or the same where it holds none."""
        self._hidden.update(_for_type_checkers(code))
        constants = tuple(
            self.of(one) if isinstance(one, CodeType) and id(one) not in self._hidden else one for one in code.co_consts
        )
        if any(new is not old for new, old in zip(constants, code.co_consts, strict=True)):
            code = code.replace(co_consts=constants)
        if not any(self._target_name(one, one.co_firstlineno) for one in constants if isinstance(one, CodeType)):
            return code
        readable, put_back = without_interpolations(code)
        assembled = Bytecode.from_code(readable, conserve_exception_block_stackdepth=True)
        assembled[:] = list(self._with_wrappers(assembled))
        assembled.argnames = list(readable.co_varnames)  # All, so that `locals()` has them in their order.
        return put_back(assembled.to_code(compute_exception_stack_depths=False))

    def _target_name(self, code: CodeType, last_line: int) -> str | None:
        """Return the numbered name of the definition that a code object belongs to, if it is a target."""
        if id(code) in self._hidden:
            return None
        # From CPython 3.14 on, the compiler makes a function of annotations, which the source does not show.
        if not code.co_flags & inspect.CO_OPTIMIZED or code.co_name.startswith("<") or code.co_name == "__annotate__":
            return None
        name = self._definitions.name_of(code.co_name, code.co_firstlineno, last_line, code.co_qualname)
        wanted = name is not None and self._is_target(name, parameter_names_in_code(code))
        if name is not None and wanted == OUTERMOST:
            self._outermost.add(name)
        return name if wanted else None

    def _with_wrappers(self, items: Sequence[Any]) -> Iterator[Any]:
        """Yield instructions, and behind those that finish a target those that wrap it."""
        loaded: CodeType | None = None
        finished: dict[int, tuple[str, Instr, str]] = {}
        for position, item in enumerate(items):
            yield item
            if not isinstance(item, Instr):
                if position in finished:
                    yield from _wrapper(*finished.pop(position))
                continue
            if item.name == "MAKE_FUNCTION" and loaded is not None:
                end = _end_of_making(items, position)
                name = self._target_name(loaded, item.lineno or loaded.co_firstlineno)
                if name is not None and not _is_for_a_type(items, end):
                    if name in self._outermost:
                        finished[_last_before_store(items, end)] = name, item, _DECORATED
                    else:
                        finished[end] = name, item, _FUNCTION
                    self.wrapped.append(name)
            if position in finished:
                yield from _wrapper(*finished.pop(position))
            loaded = item.arg if item.name == "LOAD_CONST" and isinstance(item.arg, CodeType) else None


def _for_type_checkers(code: CodeType) -> set[int]:
    """Return the identities of the code objects that stand in the body of ``if TYPE_CHECKING:`` alone."""
    if TYPE_CHECKING not in code.co_names:
        return set()
    is_condition = False
    end = 0
    inside: set[int] = set()
    outside: set[int] = set()  # too: CPython 3.12 copies what ends a scope into the branches before it
    for instruction in dis.get_instructions(code):
        if isinstance(instruction.argval, CodeType):
            (inside if instruction.offset < end else outside).add(id(instruction.argval))
        elif instruction.offset < end:
            pass
        elif is_condition and instruction.opname.startswith("POP_JUMP") and instruction.opname.endswith("IF_FALSE"):
            end = instruction.argval
        if instruction.opname not in _BETWEEN:
            is_condition = instruction.argval == TYPE_CHECKING
    return inside - outside


def _end_of_making(items: Sequence[Any], position: int) -> int:
    """Return where a function is complete: these instructions write into it unchecked, so they must not get a proxy."""
    while _is_instruction(items[position + 1], "SET_FUNCTION_ATTRIBUTE"):
        position += 1
    # From CPython 3.12 on, a generic function gets its type parameters: SWAP 2, CALL_INTRINSIC_2.
    return position + 2 if _intrinsic(items, position + 2) == "INTRINSIC_SET_FUNCTION_TYPE_PARAMS" else position


def _last_before_store(items: Sequence[Any], end: int) -> int:
    """Return where all decorators of a function have been called: what they give is stored next."""
    for position in range(end, len(items) - 1):
        following = items[position + 1]
        if isinstance(following, Instr) and following.name in _STORES:
            return position
    return end  # A generic function is decorated outside of the code that makes it.


def _is_for_a_type(items: Sequence[Any], end: int) -> bool:
    """Tell whether a function is the compiler's own: the bound or default of a type variable, or an alias's value."""
    return _intrinsic(items, end + 1) in _OF_TYPE_VARIABLES or _intrinsic(items, end + 2) == "INTRINSIC_TYPEALIAS"


def _intrinsic(items: Sequence[Any], position: int) -> str | None:
    item = items[position] if position < len(items) else None
    is_intrinsic = _is_instruction(item, "CALL_INTRINSIC_1") or _is_instruction(item, "CALL_INTRINSIC_2")
    return getattr(item.arg, "name", None) if isinstance(item, Instr) and is_intrinsic else None


def _is_instruction(item: Any, name: str) -> bool:
    return isinstance(item, Instr) and item.name == name


def _wrapper(name: str, made: Instr, function: str) -> Iterator[Instr]:
    """Yield what makes ``wrap_made(function, name)`` or its like of what is on the stack, at the place of ``def``."""
    location = made.location

    def instruction(opcode: str, *argument: Any) -> Instr:
        return Instr(opcode, *argument, location=location)

    yield instruction("LOAD_CONST", 0)
    yield instruction("LOAD_CONST", (function,))
    # Since 3.15 two flags say that an import is lazy, and that it never is.
    yield instruction("IMPORT_NAME", (False, True, ENTRY) if sys.version_info >= (3, 15) else ENTRY)
    yield instruction("IMPORT_FROM", function)
    yield instruction("SWAP", 2)
    yield instruction("POP_TOP")  # The module is not needed any more: function, wrapper.
    if sys.version_info >= (3, 13):
        yield instruction("SWAP", 2)
        yield instruction("PUSH_NULL")
        yield instruction("SWAP", 2)  # Wrapper, NULL, function.
    else:
        yield instruction("PUSH_NULL")
        yield instruction("SWAP", 3)  # NULL, wrapper, function.
    yield instruction("LOAD_CONST", name)
    if sys.version_info < (3, 12):
        yield instruction("PRECALL", 2)
    yield instruction("CALL", 2)
