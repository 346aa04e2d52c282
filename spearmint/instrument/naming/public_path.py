"""Public paths, such as ``sklearn.cluster:KMeans.fit``, followed through imports and bases to the definition."""

import builtins
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec
from types import CodeType
from typing import TypeAlias

from spearmint.instrument.naming.bound_names import LAMBDA, names_bound_in
from spearmint.instrument.naming.bound_values import (
    BoundNames,
    BoundValue,
    ClassBody,
    FunctionDefinition,
    ImportedAttribute,
    ImportedModule,
    Reference,
)
from spearmint.instrument.naming.static_modules import UNREADABLE, code_for_reading, find_module
from spearmint.instrument.settings.target import Target, parse_target

_GENERATED = frozenset({"__init__", "__new__"})


@dataclass(frozen=True, slots=True)
class Definition:
    """Where a path leads.

    Attributes:
        module: The module that defines the function.
        name: Its qualified name.
        is_seen: Whether the code of the module defines it; else it is made when the module runs, as the ``__init__`` of
            a dataclass, and found then.
    """

    module: str
    name: str
    is_seen: bool = True


@dataclass(frozen=True, slots=True)
class _Module:
    name: str
    package: str
    is_package: bool
    bound: BoundNames | None


@dataclass(frozen=True, slots=True)
class _ModuleObject:
    name: str


@dataclass(frozen=True, slots=True)
class _Function:
    module: str
    name: str


@dataclass(frozen=True, slots=True)
class _Class:
    module: str
    name: str
    body: ClassBody


@dataclass(frozen=True, slots=True)
class _Other:
    """What is there, but made when the module runs, or hidden in an extension module."""

    module: str
    name: str


@dataclass(frozen=True, slots=True)
class _Compiled:
    """A class of an extension module that the process has imported: what has it, and what it has, can be looked up."""

    of: type


_Thing: TypeAlias = _ModuleObject | _Function | _Class | _Compiled | _Other
_Base: TypeAlias = _Class | _Compiled


class PublicPaths:
    """Follows paths through the code of modules. What it has read of one, it keeps."""

    def __init__(self) -> None:
        self._modules: dict[str, _Module | None] = {}
        self._bodies: dict[CodeType, BoundNames] = {}
        self._orders: dict[tuple[str, str], tuple[_Base | None, ...]] = {}
        self._passed: set[tuple[str, str]] = set()

    def has_module(self, module: str) -> bool:
        """Tell whether there is such a module, as far as can be told without running its parents."""
        return self._read(module) is not None

    def definitions_of(self, module: str, name: str) -> tuple[Definition, ...]:
        """Return where a function is defined: in one place, or in those between which a condition decides.

        Args:
            module: The module of the path.
            name: The qualified name in it.

        Returns:
            The places; none if the path leads nowhere, or to what is no function.
        """
        *owners, last = name.split(".")
        found: dict[Definition, None] = {}
        for owner in self._things(_ModuleObject(module), owners):
            for thing in self._members(owner, last):
                if isinstance(thing, _Function | _Other):
                    found[Definition(thing.module, thing.name, isinstance(thing, _Function))] = None
        return tuple(found)

    def class_of(self, module: str, name: str) -> Definition | None:
        """Return where the class is defined that a path leads to; None if it leads to no class."""
        things = self._things(_ModuleObject(module), name.split("."))
        return next((Definition(one.module, one.name) for one in things if isinstance(one, _Class)), None)

    def _things(self, start: _Thing, path: Sequence[str]) -> Iterator[_Thing]:
        if not path:
            yield start
            return
        for thing in self._members(start, path[0]):
            yield from self._things(thing, path[1:])

    def _members(self, owner: _Thing, name: str) -> Iterator[_Thing]:
        if isinstance(owner, _ModuleObject):
            yield from self._globals(owner.name, name)
        elif isinstance(owner, _Class):
            yield from self._attributes(owner, name)
        elif isinstance(owner, _Compiled):
            yield from _looked_up(owner, name)
        elif isinstance(owner, _Other):
            yield _Other(owner.module, f"{owner.name}.{name}")

    def _globals(self, module: str, name: str, *, is_star: bool = False) -> list[_Thing]:
        """Return what a name of a module may be."""
        read = self._read(module)
        if read is None or (module, name) in self._passed:
            return []
        if read.bound is None:  # An extension module: it tells when it runs.
            value = vars(sys.modules[module]).get(name) if module in sys.modules else None
            return [_Compiled(value) if type(value) is type else _Other(module, name)]
        self._passed.add((module, name))
        try:
            found = [thing for bound in read.bound.names.get(name, ()) for thing in self._values(module, name, bound)]
            if not found and not name.startswith("_"):
                starred = [one for star in read.bound.stars for one in self._globals(star, name, is_star=True)]
                # Any extension module may have any name. One that has it stands for what is there without it.
                found = [one for one in starred if isinstance(one, _Compiled)]
                found = found or [one for one in starred if not isinstance(one, _Other)] or starred
            if not found and read.is_package and self.has_module(f"{module}.{name}"):
                found = [_ModuleObject(f"{module}.{name}")]
            if not found and not is_star and "__getattr__" in read.bound.names:
                found = [_Other(module, name)]
            return found
        finally:
            self._passed.discard((module, name))

    def _values(self, module: str, name: str, bound: BoundValue) -> Iterator[_Thing]:
        """Yield what a name is that is bound so."""
        if isinstance(bound, ImportedModule):
            yield _ModuleObject(bound.name)
        elif isinstance(bound, ImportedAttribute):
            yield from self._globals(bound.module, bound.name)
        elif isinstance(bound, Reference):
            yield from self._things(_ModuleObject(module), bound.path.split("."))
        elif isinstance(bound, FunctionDefinition):
            if bound.code.co_name != LAMBDA:  # It has no name.
                yield _Function(module, bound.code.co_qualname)
        elif isinstance(bound, ClassBody):
            yield _Class(module, bound.code.co_qualname, bound)
        else:
            yield _Other(module, name)

    def _attributes(self, owner: _Class, name: str) -> Iterator[_Thing]:
        """Yield what an attribute of a class is: its own, or the first that it inherits."""
        is_known = True
        for base in self._order(owner):
            if base is None:
                is_known = False
                continue
            found = list(self._own(base, name))
            if found:
                yield from found
                return
        if not is_known or name in _GENERATED:
            yield _Other(owner.module, f"{owner.name}.{name}")

    def _own(self, owner: _Base, name: str) -> Iterator[_Thing]:
        if isinstance(owner, _Compiled):
            yield from _looked_up(owner, name)
            return
        bound = self._bound_in(owner)
        mangled = f"_{owner.name.rpartition('.')[2].lstrip('_')}{name}"
        for value in (*bound.names.get(name, ()), *bound.names.get(mangled, ())):
            if isinstance(value, FunctionDefinition):
                if value.code.co_name != LAMBDA:
                    yield _Function(owner.module, value.code.co_qualname)
            elif isinstance(value, ClassBody):
                yield _Class(owner.module, value.code.co_qualname, value)
            else:
                yield _Other(owner.module, f"{owner.name}.{name}")

    def _bound_in(self, owner: _Class) -> BoundNames:
        code = owner.body.code
        if code not in self._bodies:
            read = self._read(owner.module)
            self._bodies[code] = names_bound_in(code, read.package if read else "")
        return self._bodies[code]

    def _order(self, owner: _Base) -> tuple[_Base | None, ...]:
        """Return the method resolution order of a class, with None for what cannot be read."""
        if isinstance(owner, _Compiled):
            return (owner,)
        key = owner.module, owner.name
        if key not in self._orders:
            self._orders[key] = (owner,)  # A class that seems to be its own base ends here.
            bases = [base for text in owner.body.bases for base in self._bases(owner, text)]
            orders = [self._order(base) if base else (None,) for base in bases]
            self._orders[key] = (owner, *_merged([*map(list, orders), bases]))
        return self._orders[key]

    def _bases(self, owner: _Class, text: str | None) -> Iterator[_Base | None]:
        if text is None:
            yield None
            return
        things = list(self._things(_ModuleObject(owner.module), text.split(".")))
        found = next((one for one in things if isinstance(one, _Base)), None)
        if found is not None or things or not hasattr(builtins, text):
            yield found

    def _read(self, module: str) -> _Module | None:
        if module not in self._modules:
            spec = find_module(module)
            self._modules[module] = None if spec is None else _module(module, spec)
        return self._modules[module]


def followed(target: Target, paths: PublicPaths) -> list[tuple[Target, bool]]:
    """Follow the path of a target to the definitions that it means.

    Args:
        target: The target.
        paths: What follows it.

    Returns:
        The same target for each definition, with the module and the name that this has, and whether the function is
        there only once the module has run. A target that leads nowhere, or that has globs in its module, is as it was.
    """
    if target.has_module_glob or target.number is not None or target.module == "__main__" or "<" in target.name:
        return [(target, False)]
    if target.has_name_glob:
        owner, rest = _before_glob(target.name)
        place = paths.class_of(target.module, owner) if owner else None
        return [(target if place is None else _moved(target, place.module, f"{place.name}.{rest}"), False)]
    places = paths.definitions_of(target.module, target.name)
    return [(_moved(target, one.module, one.name), not one.is_seen) for one in places] or [(target, False)]


def _before_glob(name: str) -> tuple[str, str]:
    """Return the part of a name up to the first glob, and the rest."""
    parts = name.split(".")
    first = next(index for index, part in enumerate(parts) if re.search(r"[*?\[]", part))
    return ".".join(parts[:first]), ".".join(parts[first:])


def _moved(target: Target, module: str, name: str) -> Target:
    is_same = (module, name) == (target.module, target.name)
    return target if is_same else replace(parse_target(f"{module}:{name}"), text=target.text)


def _module(name: str, spec: ModuleSpec) -> _Module:
    is_package = spec.submodule_search_locations is not None
    package = name if is_package else name.rpartition(".")[0]
    if spec.loader is None or (is_package and spec.origin is None):
        return _Module(name, package, is_package, BoundNames())
    try:
        code = code_for_reading(spec)
    except UNREADABLE:
        code = None
    return _Module(name, package, is_package, None if code is None else names_bound_in(code, package))


def _looked_up(owner: _Compiled, name: str) -> Iterator[_Thing]:
    """Yield an attribute of a compiled class, or of what it derives from."""
    if any(name in vars(base) for base in owner.of.__mro__[:-1]):  # The last is `object`.
        yield _Other(owner.of.__module__, f"{owner.of.__qualname__}.{name}")


def _merged(orders: list[list[_Base | None]]) -> Iterator[_Base | None]:
    """Yield the classes of several orders in the one that Python gives them (C3)."""
    while orders := [one for one in orders if one]:
        for order in orders:
            first = order[0]
            if first is None or not any(first in other[1:] for other in orders):
                break
        else:
            first = orders[0][0]  # Python refuses such a class.
        yield first
        for order in orders:
            if order and order[0] == first:
                del order[0]
            if first is not None and first in order:
                order.remove(first)
