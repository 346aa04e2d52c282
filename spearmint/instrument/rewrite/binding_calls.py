"""Code of a module that tells what it binds some of its names to, as it does."""

from collections.abc import Callable, Collection, Iterator
from types import CodeType
from typing import Any

from bytecode import Bytecode, Instr

from spearmint.instrument.rewrite.interpolations import without_interpolations
from spearmint.instrument.rewrite.value_question import called, located

_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL"})

OnBound = Callable[[str, Any], object]
"""Called with a name and what it has been bound to."""


def with_binding_calls(code: CodeType, names: Collection[str], on_bound: OnBound) -> CodeType:
    """Return the code of a module with a call behind each place in its body that binds one of some names.

    Args:
        code: The code; that of functions and classes in it stays as it is.
        names: The names.
        on_bound: What is called; it stands among the constants.
    """
    readable, put_back = without_interpolations(code)
    assembled = Bytecode.from_code(readable, conserve_exception_block_stackdepth=True)
    assembled[:] = list(_with_calls(list(assembled), names, on_bound))
    return put_back(assembled.to_code(compute_exception_stack_depths=False))


def _with_calls(items: Collection[Any], names: Collection[str], on_bound: OnBound) -> Iterator[Any]:
    for item in items:
        yield item
        if isinstance(item, Instr) and item.name in _STORES and item.arg in names:
            arguments = Instr("LOAD_CONST", item.arg), Instr("LOAD_NAME", item.arg)
            yield from located((*called(on_bound, *arguments), Instr("POP_TOP")), item.location)
