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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import CodeType, MappingProxyType
from typing import Any

from bytecode import Bytecode, Instr

from spearmint.instrument.rewrite.interpolations import without_interpolations
from spearmint.instrument.rewrite.literals import is_part, literals_of
from spearmint.instrument.rewrite.read_marks import MARK
from spearmint.instrument.rewrite.result import ReadSite
from spearmint.instrument.rewrite.value_paths import ReadPaths
from spearmint.instrument.rewrite.value_question import asking, local_name
from spearmint.instrument.settings.value_target import ValueTarget

_GLOBALS = frozenset({"LOAD_GLOBAL"})
_READS = frozenset({"LOAD_GLOBAL", "LOAD_ATTR"})
_STORES = frozenset({"STORE_FAST", "STORE_DEREF"})
_LOCALS = frozenset({"LOAD_FAST", "LOAD_FAST_BORROW", "LOAD_DEREF", "LOAD_FAST_CHECK"})
_PAIRS = frozenset({"LOAD_FAST_LOAD_FAST", "LOAD_FAST_BORROW_LOAD_FAST_BORROW", "STORE_FAST_LOAD_FAST"})
_REBINDS = frozenset({"STORE_GLOBAL", "DELETE_GLOBAL"})
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
    rewrite = _Rewrite(module, ReadPaths(module, code, package, wanted), wanted)
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
        paths: The dotted paths of what its variables stand for, its own and those of the functions around it: of the
            receiver of a method its class, and what is imported in a function, by names bound to nothing else.
        defaults: The dotted paths of its defaults that are values, by parameter.
        literals: Which of its instructions load a literal that is a value, by their positions.
    """

    name: str
    paths: dict[str, str]
    defaults: dict[str, str]
    literals: dict[int, ValueTarget]


class _Rewrite:
    """One pass over the code objects of a module."""

    def __init__(self, module: str, paths: ReadPaths, values: Sequence[ValueTarget]) -> None:
        self._module = module
        self._paths = paths
        self._literals = [one for one in values if one.literal is not None]
        self._counts: dict[str, int] = {}
        self._defaults: dict[int, dict[str, str]] = {}
        self._loads: dict[int, dict[int, ValueTarget]] = {}
        self.sites: list[ReadSite] = []

    def of_body(self, code: CodeType, around: Mapping[str, str] = MappingProxyType({})) -> CodeType:
        """Return the code of a body with the reads in its functions rewritten.

        Args:
            code: The code.
            around: The paths of the variables that are seen in it.
        """
        for made, parameter, path in self._paths.defaults_in(code):
            self._defaults.setdefault(id(made), {})[parameter] = path
        constants = tuple(self._of_constant(one, code, around) for one in code.co_consts)
        is_changed = any(new is not old for new, old in zip(constants, code.co_consts, strict=True))
        return code.replace(co_consts=constants) if is_changed else code

    def _of_constant(self, constant: Any, owner: CodeType, around: Mapping[str, str]) -> Any:
        if not isinstance(constant, CodeType) or constant.co_name in _HIDDEN:
            return constant
        if not constant.co_flags & inspect.CO_OPTIMIZED:
            return self.of_body(constant, around)
        return self._of_function(constant, owner, around)

    def _of_function(self, code: CodeType, owner: CodeType, around: Mapping[str, str]) -> CodeType:
        count = self._counts[code.co_qualname] = self._counts.get(code.co_qualname, 0) + 1
        name = code.co_qualname if count == 1 else f"{code.co_qualname}#{count}"
        defaults = self._defaults.get(id(code), {})
        if not is_part(code, owner):
            self._find_literals(code, name)
        literals = self._loads.get(id(code), {})
        reads = bool(defaults or literals) or self._paths.may_be_read_in(code)
        paths: dict[str, str] = {}
        if reads or code.co_cellvars or code.co_freevars:
            paths = {free: around[free] for free in code.co_freevars if free in around}
            if code.co_argcount and not owner.co_flags & inspect.CO_OPTIMIZED and owner.co_name != "<module>":
                paths[code.co_varnames[0]] = f"{self._module}.{owner.co_qualname}"
            paths |= self._paths.imports_in(code)
        code = self.of_body(code, paths)
        if not reads:
            return code
        function = _Function(name, paths, defaults, literals)
        readable, put_back = without_interpolations(code)
        assembled = Bytecode.from_code(readable, conserve_exception_block_stackdepth=True)
        before = len(self.sites)
        changed = list(self._with_reads(assembled, function))
        if len(self.sites) == before:
            return code
        assembled[:] = changed
        assembled.argnames = list(readable.co_varnames)  # All, so that `locals()` has them in their order.
        return put_back(assembled.to_code(compute_exception_stack_depths=False))

    def _with_reads(self, items: Sequence[Any], function: _Function) -> Iterator[Any]:
        """Yield the instructions, and behind each read those that ask the running case."""
        path: str | None = None
        is_begun, before = False, ""
        for position, item in enumerate(items):
            if not isinstance(item, Instr):
                yield item
                continue
            if before == "IMPORT_FROM" and item.name in _STORES:
                yield from self._with_import(item, function)
            if item.name in _REBINDS:
                self._note_rebinding(item, function)
            before = item.name
            path = self._path_after(item, path, function)
            yield from self._with_read(item, path, function.literals.get(position), function)
            if item.name == "RESUME" and not is_begun:
                is_begun = True
                yield from self._with_defaults(item, items, function)

    def _with_read(
        self, item: Instr, path: str | None, literal: ValueTarget | None, function: _Function
    ) -> Iterator[Any]:
        """Yield an instruction, and behind it what asks the running case, if it reads a value."""
        if literal is not None:
            yield from self._read_literal(item, literal, function)
            return
        is_read = path is not None and item.name in _READS and not _is_called(item)
        found = self._paths.value_of(path) if path is not None and is_read else None
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

    def _with_import(self, stored: Instr, function: _Function) -> Iterator[Any]:
        """Yield what asks for a value that a function has imported itself, and is about to store."""
        path = function.paths.get(local_name(stored.arg))
        if path is not None and self._paths.value_of(path) is not None:
            yield from self._asking(path, "constant", stored, function)

    def _with_defaults(self, start: Instr, items: Sequence[Any], function: _Function) -> Iterator[Any]:
        """Yield what asks for the values that are defaults, as the function begins: they are older than any case."""
        cells = [item.arg for item in items if isinstance(item, Instr) and item.name == "MAKE_CELL"]
        for parameter, path in function.defaults.items():
            cell = next((one for one in cells if getattr(one, "name", one) == parameter), None)
            kind, place = ("FAST", parameter) if cell is None else ("DEREF", cell)
            yield Instr(f"LOAD_{kind}", place, location=start.location)
            yield from self._asking(path, "default", start, function)
            yield Instr(f"STORE_{kind}", place, location=start.location)

    def _path_after(self, item: Instr, path: str | None, function: _Function) -> str | None:
        """Return the dotted path of what an instruction leaves on the stack; None where it has none that matters."""
        name, argument = item.name, item.arg
        if name in _GLOBALS:
            return self._paths.path_of_global(argument[1] if isinstance(argument, tuple) else str(argument))
        if name == "LOAD_ATTR" and path is not None:
            attribute = argument[1] if isinstance(argument, tuple) else argument
            return f"{path}.{attribute}"
        if name not in _LOCALS and name not in _PAIRS:
            return None
        loaded = argument[1] if name in _PAIRS and isinstance(argument, tuple) else argument
        return function.paths.get(local_name(loaded))

    def _asking(self, path: str, kind: str, read: Instr, function: _Function) -> Iterator[Any]:
        self.sites.append(ReadSite(path, function.name, *_place(read), kind))
        return asking((MARK, kind, path), read, has_owner=kind == "attribute")

    def _note_rebinding(self, item: Instr, function: _Function) -> None:
        path = f"{self._module}.{item.arg}"
        if self._paths.is_known(path):
            self.sites.append(ReadSite(path, function.name, *_place(item), "rebound"))

    def _find_literals(self, code: CodeType, function: str) -> None:
        """Find which instructions of a function and its parts load a literal that is a value."""
        wanted = [(one, one.literal) for one in self._literals if one.literal and one.literal.function == function]
        places = literals_of(code) if wanted else []
        for value, literal in wanted:
            for place in places:
                if place.number == literal.place and literal.is_equal(place.value):
                    for part, position in place.loads:
                        self._loads.setdefault(id(part), {})[position] = value

    def _read_literal(self, item: Instr, value: ValueTarget, function: _Function) -> Iterator[Any]:
        self.sites.append(ReadSite(value.full_name, function.name, *_place(item), "literal"))
        if item.name == "RETURN_CONST":
            yield Instr("LOAD_CONST", item.arg, location=item.location)
            yield from asking((MARK, "literal", value.full_name), item)
            yield Instr("RETURN_VALUE", location=item.location)
        else:
            yield item
            yield from asking((MARK, "literal", value.full_name), item)


def _place(item: Instr) -> tuple[int, int]:
    at = item.location
    column = None if at is None else at.col_offset
    return item.lineno or 0, -1 if column is None else column


def _is_called(item: Instr) -> bool:
    """Tell whether an instruction loads a method, with what its call wants beside it: a value is not called."""
    return item.name == "LOAD_METHOD" or (item.name == "LOAD_ATTR" and isinstance(item.arg, tuple) and item.arg[0])
