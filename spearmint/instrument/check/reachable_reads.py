"""Whether a function may reach a read, by the names that stand in code, without running any.

What a name stands for is not looked at: a function may reach all that bear a name which it uses. That is too much
rather than too little, so that what is not reached is not reached.
"""

import dis
import inspect
from collections.abc import Collection, Iterator, Mapping
from types import CodeType

from spearmint.instrument.naming.bound_names import names_bound_in
from spearmint.instrument.naming.bound_values import ClassBody, FunctionDefinition, ImportedAttribute, ImportedModule

_BY_TEXT = frozenset(
    {"getattr", "eval", "exec", "import_module", "__import__", "globals", "attrgetter", "methodcaller"}
)
"""What calls by names that are made as code runs: then all may be reached."""

_Scope = tuple[str, str]  # A module, and a qualified name in it.


class ReachableReads:
    """Finds the functions and classes whose names the code of a function uses, and theirs, and so on.

    Args:
        codes: The code of the modules by their names.
    """

    def __init__(self, codes: Mapping[str, CodeType]) -> None:
        self._scopes: dict[_Scope, CodeType] = {}
        self._named: dict[str, list[_Scope]] = {}
        self._used_by: dict[str, set[str]] = {}
        self._decorators: set[str] = set()
        for module, code in codes.items():
            for inner in _inner(code):
                self._scopes[module, inner.co_qualname] = inner
                self._named.setdefault(inner.co_name, []).append((module, inner.co_qualname))
            for body in (code, *(one for one in _inner(code) if not one.co_flags & inspect.CO_OPTIMIZED)):
                self._add_body(body, module)
        self._unnamed = list(self._called_without_name())
        self._reached: dict[_Scope, frozenset[_Scope] | None] = {}

    def _add_body(self, body: CodeType, module: str) -> None:
        """Note what the names may stand for that the body of a module or class binds."""
        loaded = {one.argval for one in dis.get_instructions(body) if one.opname in ("LOAD_NAME", "LOAD_GLOBAL")}
        self._decorators |= loaded
        loaded |= {one.co_name for one in body.co_consts if isinstance(one, CodeType) and one.co_name == "<lambda>"}
        for name, values in names_bound_in(body, module).names.items():
            for value in values:
                if isinstance(value, ImportedAttribute):
                    self._used_by.setdefault(name, set()).add(value.name)
                elif not isinstance(value, ImportedModule | FunctionDefinition | ClassBody):
                    # A table of functions, or what a call has made: it may hold all that the body names.
                    self._used_by.setdefault(name, set()).update(loaded)

    def reaches(self, start: _Scope, scopes: Collection[_Scope]) -> bool:
        """Tell whether a function may reach one of others, or a function inside it; True where that cannot be told.

        Args:
            start: The function.
            scopes: The others.
        """
        if start not in self._reached:
            self._reached[start] = self._from(start) if start in self._scopes else None
        reached = self._reached[start]
        return reached is None or any(_holds(one, other) for one in reached for other in scopes)

    def _from(self, start: _Scope) -> frozenset[_Scope] | None:
        """Return all that a function may reach; None for what cannot be told."""
        pending = [start, *self._unnamed]
        reached: set[_Scope] = set()
        used: set[str] = set()
        while pending:
            scope = pending.pop()
            if scope in reached:
                continue
            reached.add(scope)
            names = list(_names(self._scopes[scope]))
            while names:
                name = names.pop()
                if name in _BY_TEXT:
                    return None
                if name not in used:
                    used.add(name)
                    pending += self._named.get(name, ())
                    names += self._used_by.get(name, ())
        return frozenset(reached)

    def _called_without_name(self) -> Iterator[_Scope]:
        """Yield what an operator or a `with` calls, and what decorators have put around functions."""
        for name, found in self._named.items():
            has_inner = any(next(_inner(self._scopes[one]), None) for one in found)
            if name.startswith("__") or (name in self._decorators and has_inner):
                yield from found


def _inner(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _inner(constant)


def _names(code: CodeType) -> Iterator[str]:
    """Yield the names in a code object and those inside it, and the texts, which may be names."""
    for one in (code, *_inner(code)):
        yield from one.co_names
        yield from (constant for constant in one.co_consts if isinstance(constant, str))


def _holds(scope: _Scope, other: _Scope) -> bool:
    (module, name), (other_module, other_name) = scope, other
    return module == other_module and (other_name == name or other_name.startswith((f"{name}.", f"{name}#")))
