"""A module's code with a question to the running case behind each read of a value that settings name.

This works on code objects, whether a module has source or not: which name is a global, what is folded, shared or left
out is then what the compiler has decided, and both kinds of modules read the same. Where a value is read, the code asks
whether a case is running, and only if so calls what tells the value there::

    value read  ->  value if current_case() is None else reader(value, case)

What it calls stands among the constants. In code that is kept on disk, tuples stand for these; `value_links` puts
the functions in.
"""

import inspect
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import CodeType
from typing import Any

from bytecode import Bytecode, Instr, Label

from spearmint.instrument.naming.bound_names import (
    BoundNames,
    ImportedAttribute,
    ImportedModule,
    names_bound_in,
)
from spearmint.instrument.rewrite.interpolations import without_interpolations
from spearmint.instrument.rewrite.result import ReadSite
from spearmint.instrument.rewrite.value_links import CASE, MARK
from spearmint.instrument.settings.value_target import ValueTarget

_GLOBALS = frozenset({"LOAD_GLOBAL"})
_RECEIVERS = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_DEREF", "LOAD_FAST_CHECK"})
_PAIRS = frozenset({"LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "STORE_FAST_LOAD_FAST"})
_CONSTANTS = frozenset({"LOAD_CONST", "LOAD_SMALL_INT"})
_REBINDS = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
_IS_NONE = "POP_JUMP_IF_NONE" if sys.version_info >= (3, 12) else "POP_JUMP_FORWARD_IF_NONE"
_HIDDEN = frozenset({"__annotate__", "__conditional_annotations__"})


def rewrite_reads(
    code: CodeType, module: str, *, is_package: bool, values: Sequence[ValueTarget]
) -> tuple[CodeType, tuple[ReadSite, ...]]:
    """Put the question to the running case behind each read of a value in the functions of a module.

    Reads in the body of the module and of its classes run once, when it is imported, and stay as they are.

    Args:
        code: The code of the module.
        module: Its name.
        is_package: Whether relative imports start from the module itself.
        values: The values.

    Returns:
        The code, with tuples for what it calls, and the reads; the same code without any where there are none.
    """
    wanted = [one for one in values if one.literal is None or one.module == module]
    if not wanted or not _may_read(code, wanted, module):
        return code, ()
    package = module if is_package else module.rpartition(".")[0]
    rewrite = _Rewrite(module, names_bound_in(code, package), wanted, package)
    return rewrite.of_body(code), tuple(rewrite.sites)


def _may_read(code: CodeType, wanted: Iterable[ValueTarget], module: str) -> bool:
    names = {one.last_name for one in wanted if one.literal is None}
    if any(one.literal is not None and one.module == module for one in wanted):
        return True
    pending = [code]
    while pending:
        one = pending.pop()
        if not names.isdisjoint(one.co_names):
            return True
        pending.extend(constant for constant in one.co_consts if isinstance(constant, CodeType))
    return False


@dataclass(frozen=True, slots=True)
class _Function:
    """What is known of a function while its code is gone through.

    Attributes:
        name: Its qualified name, numbered from the second of that name on.
        receiver: Its first parameter, if it is a method; else empty.
        owner: The dotted path of the class that it is defined in; else empty.
    """

    name: str
    receiver: str
    owner: str


class _Rewrite:
    """One pass over the code objects of a module."""

    def __init__(self, module: str, bound: BoundNames, values: Sequence[ValueTarget], package: str) -> None:
        self._module = module
        self._bound = bound
        self._package = package
        self._roots = {one.root for one in values}
        self._paths = {one.dotted: one for one in values if one.literal is None}
        self._by_last: dict[str, list[ValueTarget]] = {}
        for one in values:
            if one.literal is None:
                self._by_last.setdefault(one.last_name, []).append(one)
        self._literals = [one for one in values if one.literal is not None]
        self._counts: dict[str, int] = {}
        self.sites: list[ReadSite] = []

    def of_body(self, code: CodeType) -> CodeType:
        """Return the code of a module or class body with the reads in its functions rewritten."""
        constants = tuple(self._of_constant(one, code) for one in code.co_consts)
        is_changed = any(new is not old for new, old in zip(constants, code.co_consts, strict=True))
        return code.replace(co_consts=constants) if is_changed else code

    def _of_constant(self, constant: Any, owner: CodeType) -> Any:
        if not isinstance(constant, CodeType) or constant.co_name in _HIDDEN:
            return constant
        if not constant.co_flags & inspect.CO_OPTIMIZED:
            return self.of_body(constant)
        return self._of_function(constant, owner)

    def _of_function(self, code: CodeType, owner: CodeType) -> CodeType:
        count = self._counts[code.co_qualname] = self._counts.get(code.co_qualname, 0) + 1
        name = code.co_qualname if count == 1 else f"{code.co_qualname}#{count}"
        in_class = not owner.co_flags & inspect.CO_OPTIMIZED and owner.co_name != "<module>"
        receiver = code.co_varnames[0] if in_class and code.co_argcount else ""
        function = _Function(name, receiver, f"{self._module}.{owner.co_qualname}" if in_class else "")
        code = self.of_body(code)
        if not self._reads_any(code, name):
            return code
        readable, put_back = without_interpolations(code)
        assembled = Bytecode.from_code(readable)
        before = len(self.sites)
        changed = list(self._with_reads(assembled, function))
        if len(self.sites) == before:
            return code
        assembled[:] = changed
        return put_back(assembled.to_code())

    def _reads_any(self, code: CodeType, name: str) -> bool:
        if any(one.literal and one.literal.function == name for one in self._literals):
            return True
        return not self._by_last.keys().isdisjoint(code.co_names) or any(
            isinstance(bound, ImportedAttribute) and bound.name in self._by_last
            for local in code.co_names
            for bound in self._bound.names.get(local, ())
        )

    def _with_reads(self, items: Sequence[Any], function: _Function) -> Iterator[Any]:
        """Yield the instructions, and behind each read those that ask the running case."""
        literals = self._places_of_literals(items, function.name)
        path: str | None = None
        for position, item in enumerate(items):
            if not isinstance(item, Instr):
                yield item
                continue
            if item.name in _REBINDS:
                self._note_rebinding(item, function)
            path = self._path_after(item, path, function)
            literal = literals.get(position)
            if literal is not None:
                yield from self._read_literal(item, literal, function)
                continue
            found = None if path is None or _is_called(item) else self._value_of(path)
            if found is None or path is None:
                yield item
            elif found.is_attribute and item.name == "LOAD_ATTR":
                yield Instr("COPY", 1, location=item.location)
                yield item
                yield from self._asking(path, "attribute", item, function)
            elif item.name == "LOAD_GLOBAL" and isinstance(item.arg, tuple) and item.arg[0]:
                # An imported name is not taken for the object of a method: NULL is pushed for a call of its attribute.
                plain = [Instr("LOAD_GLOBAL", (False, item.arg[1]), location=item.location)]
                plain += self._asking(path, "constant", item, function)
                null = [Instr("PUSH_NULL", location=item.location)]
                yield from (plain + null if sys.version_info >= (3, 13) else null + plain)
            else:
                yield item
                yield from self._asking(path, "constant", item, function)

    def _path_after(self, item: Instr, path: str | None, function: _Function) -> str | None:
        """Return the dotted path of what an instruction leaves on the stack; None where it has none that matters."""
        name, argument = item.name, item.arg
        if name in _GLOBALS:
            return self._path_of_global(argument[1] if isinstance(argument, tuple) else str(argument))
        if name == "LOAD_ATTR" and path is not None:
            attribute = argument[1] if isinstance(argument, tuple) else argument
            return f"{path}.{attribute}"
        if function.receiver:
            loaded = argument[1] if name in _PAIRS and isinstance(argument, tuple) else argument
            if (name in _RECEIVERS or name in _PAIRS) and getattr(loaded, "name", loaded) == function.receiver:
                return function.owner
        return None

    def _path_of_global(self, name: str) -> str | None:
        bound = self._bound.names.get(name)
        if bound is None:
            return (
                next((f"{star}.{name}" for star in self._bound.stars if star.partition(".")[0] in self._roots), None)
                or f"{self._module}.{name}"
            )
        for one in bound:
            if isinstance(one, ImportedModule):
                return one.name
            if isinstance(one, ImportedAttribute):
                return f"{one.module}.{one.name}"
        return f"{self._module}.{name}"

    def _value_of(self, path: str) -> ValueTarget | None:
        """Return the value that a path leads to, or may lead to through what other modules import."""
        found = self._paths.get(path)
        if found is not None:
            return found
        # What the module defines itself is no other module's, unless a class inherits it.
        if path.partition(".")[0] not in self._roots or path == f"{self._module}.{path.rpartition('.')[2]}":
            return None
        # Which of them it is, if any, the link tells.
        return next(iter(self._by_last.get(path.rpartition(".")[2], ())), None)

    def _asking(self, path: str, kind: str, read: Instr, function: _Function) -> Iterator[Any]:
        self.sites.append(ReadSite(path, function.name, read.lineno or 0, kind))
        return _asking((MARK, kind, path), read, has_owner=kind == "attribute")

    def _note_rebinding(self, item: Instr, function: _Function) -> None:
        path = f"{self._module}.{item.arg}"
        if path in self._paths:
            self.sites.append(ReadSite(path, function.name, item.lineno or 0, "rebound"))

    def _places_of_literals(self, items: Sequence[Any], function: str) -> dict[int, ValueTarget]:
        """Return which instructions load a literal that is a value."""
        found: dict[int, ValueTarget] = {}
        for one in self._literals:
            literal = one.literal
            if literal is None or literal.function != function:
                continue
            places: dict[Any, list[int]] = {}
            for position, item in enumerate(items):
                if isinstance(item, Instr) and _loads(item) and literal.is_equal(item.arg):
                    at = item.location
                    has_place = at is not None and at.lineno is not None and at.col_offset is not None
                    # One literal may be loaded in several places, as in each copy of a `finally`.
                    key = (at.lineno, at.col_offset) if has_place and at is not None else (position, -1)
                    places.setdefault(key, []).append(position)
            for number, key in enumerate(sorted(places)):
                if number == literal.place:
                    found.update(dict.fromkeys(places[key], one))
        return found

    def _read_literal(self, item: Instr, value: ValueTarget, function: _Function) -> Iterator[Any]:
        self.sites.append(ReadSite(value.full_name, function.name, item.lineno or 0, "literal"))
        if item.name == "RETURN_CONST":
            yield Instr("LOAD_CONST", item.arg, location=item.location)
            yield from _asking((MARK, "literal", value.full_name), item)
            yield Instr("RETURN_VALUE", location=item.location)
        else:
            yield item
            yield from _asking((MARK, "literal", value.full_name), item)


def _is_called(item: Instr) -> bool:
    """Tell whether an instruction loads a method, with what its call wants beside it: a value is not called."""
    return item.name == "LOAD_METHOD" or (item.name == "LOAD_ATTR" and isinstance(item.arg, tuple) and item.arg[0])


def _loads(item: Instr) -> bool:
    return item.name in _CONSTANTS or item.name == "RETURN_CONST"


def _asking(reader: tuple[str, str, str], read: Instr, *, has_owner: bool = False) -> Iterator[Any]:
    """Yield what asks the running case for the value on the stack; with ``has_owner``, of the object below it."""
    location = read.location
    outside, end = Label(), Label()

    def instruction(opcode: str, *argument: Any) -> Instr:
        return Instr(opcode, *argument, location=location)

    def call(count: int) -> Iterator[Instr]:
        if sys.version_info < (3, 12):
            yield instruction("PRECALL", count)
        yield instruction("CALL", count)

    def callee(constant: Any) -> list[Instr]:
        made = [instruction("LOAD_CONST", constant), instruction("PUSH_NULL")]
        return made if sys.version_info >= (3, 13) else made[::-1]

    yield from callee(CASE)
    yield from call(0)
    yield instruction("COPY", 1)
    yield instruction(_IS_NONE, outside)
    # What is called comes to lie below what it is called with.
    yield from reversed(callee(reader))
    swaps = (5, 3, 2, 4, 2) if has_owner else (4, 2, 3)
    yield from (instruction("SWAP", depth) for depth in swaps)
    yield from call(3 if has_owner else 2)
    yield instruction("JUMP_FORWARD", end)
    yield outside
    yield instruction("POP_TOP")
    if has_owner:
        yield instruction("SWAP", 2)
        yield instruction("POP_TOP")
    yield end
