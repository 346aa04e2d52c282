"""Which values the names and attributes in the code of a module may lead to, by what the module binds them to."""

import dis
import inspect
from collections.abc import Iterator, Sequence
from types import CodeType

from spearmint.instrument.naming.bound_names import names_bound_in
from spearmint.instrument.naming.bound_values import BoundValue, ImportedAttribute, ImportedModule
from spearmint.instrument.rewrite.result import ReadSite
from spearmint.instrument.settings.value_target import ValueTarget


class ReadPaths:
    """Tells the dotted paths by which the code of a module reads, and the values that they may lead to.

    Args:
        module: Its name.
        code: Its code.
        package: The package that its relative imports start from.
        values: The constants and attributes that are looked for.
    """

    def __init__(self, module: str, code: CodeType, package: str, values: Sequence[ValueTarget]) -> None:
        self._module = module
        self._package = package
        self._bound = names_bound_in(code, package)
        named = [one for one in values if one.literal is None]
        self._roots = {one.root for one in named}
        self._paths = {one.dotted: one for one in named}
        self._by_last: dict[str, list[ValueTarget]] = {}
        for one in named:
            self._by_last.setdefault(one.last_name, []).append(one)

    def is_known(self, path: str) -> bool:
        """Tell whether a path is that of a value itself."""
        return path in self._paths

    def may_be_read_in(self, code: CodeType) -> bool:
        """Tell whether a code object names what a value may be read by."""
        return not self._by_last.keys().isdisjoint(code.co_names) or any(
            isinstance(bound, ImportedAttribute) and bound.name in self._by_last
            for local in code.co_names
            for bound in self._bound.names.get(local, ())
        )

    def path_of_global(self, name: str) -> str:
        """Return the dotted path of what a global name stands for."""
        own = f"{self._module}.{name}"
        bound = self._bound.names.get(name)
        if bound is None:
            found = [f"{star}.{name}" for star in self._bound.stars if star.partition(".")[0] in self._roots]
            # Of several, the link tells, which can read any module but a script.
            is_left_open = len(found) > 1 and self._module != "__main__"
        else:
            found = list(filter(None, map(_path_of, bound)))  # Several, as where one import stands in for another.
            is_left_open = False
        return own if is_left_open or not found else next(filter(self.is_known, found), found[0])

    def value_of(self, path: str) -> ValueTarget | None:
        """Return the value that a path leads to, or may lead to through what other modules import."""
        found = self._paths.get(path)
        if found is not None:
            return found
        if path.partition(".")[0] not in self._roots or self._is_own(path):
            return None
        # Which of them it is, if any, the link tells.
        return next(iter(self._by_last.get(path.rpartition(".")[2], ())), None)

    def _is_own(self, path: str) -> bool:
        """Tell whether the module defines itself what a path leads to: no attribute, which a class may inherit."""
        module, _, name = path.rpartition(".")
        return module == self._module and (name in self._bound.names or not self._bound.stars)

    def imports_in(self, code: CodeType) -> dict[str, str]:
        """Return the dotted paths of what a function imports itself, by the names that it binds to nothing else."""
        found = {}
        for name, bound in names_bound_in(code, self._package).names.items():
            if all(isinstance(one, ImportedModule | ImportedAttribute) for one in bound):
                found[name] = _path_of(bound[0])
        return found

    def defaults_in(self, code: CodeType) -> Iterator[tuple[CodeType, str, str]]:
        """Yield the defaults that may be values of the functions that a body makes: code, parameter, path."""
        if self._by_last.keys().isdisjoint(code.co_names):
            return
        bound = self._bound if code.co_name == "<module>" else names_bound_in(code, self._package)
        for made, parameter, path in bound.defaults:
            root, dot, rest = path.partition(".")
            whole = f"{self.path_of_global(root)}{dot}{rest}"
            if self.value_of(whole) is not None:
                yield made, parameter, whole

    def of_import_time(self, code: CodeType) -> Iterator[ReadSite]:
        """Yield the reads in the body of a module or class, those of defaults aside, which are followed."""
        defaults = {made.co_firstlineno for made, _, _ in names_bound_in(code, self._package).defaults}
        path: str | None = None
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("LOAD_NAME", "LOAD_GLOBAL"):
                path = self.path_of_global(instruction.argval)
            elif instruction.opname == "LOAD_ATTR" and path is not None:
                path = f"{path}.{instruction.argval}"
            elif instruction.opname not in ("CACHE", "EXTENDED_ARG"):
                path = None
            line = instruction.positions.lineno if instruction.positions else None
            if path is not None and line is not None and line not in defaults and self.value_of(path) is not None:
                yield ReadSite(path, code.co_qualname, line, _column(instruction), "import")
        for constant in code.co_consts:
            if isinstance(constant, CodeType) and not constant.co_flags & inspect.CO_OPTIMIZED:
                yield from self.of_import_time(constant)


def _column(instruction: dis.Instruction) -> int:
    column = instruction.positions and instruction.positions.col_offset
    return -1 if column is None else column


def _path_of(bound: BoundValue) -> str:
    """Return the dotted path of what is imported; of anything else, nothing."""
    if isinstance(bound, ImportedModule):
        return bound.name
    return f"{bound.module}.{bound.name}" if isinstance(bound, ImportedAttribute) else ""


def import_time_reads(
    code: CodeType, module: str, *, is_package: bool, values: Sequence[ValueTarget]
) -> tuple[ReadSite, ...]:
    """Return the reads of constants in the bodies of a module and of its classes, which run once and stay as they are.

    Args:
        code: As for `rewrite_reads`.
        module: The same.
        is_package: The same.
        values: The same.
    """
    wanted = [one for one in values if one.literal is None]
    package = module if is_package else module.rpartition(".")[0]
    return tuple(ReadPaths(module, code, package, wanted).of_import_time(code))
