"""What the names in a function's body stand for at the moment of a call."""

import builtins
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import Any, NamedTuple

from spearmint.discovery.reach.dependencies import Dependencies
from spearmint.discovery.reach.fast_scan import ScanResult, fast_scan
from spearmint.discovery.reach.function_body import CodeScope, FunctionBody, Imported, Site, body_of, has_tables
from spearmint.discovery.reach.static_lookup import (
    MISSING,
    Bound,
    Getter,
    Instance,
    after_class,
    attribute_of,
    cell_contents,
    in_class,
    is_class,
    modules_of,
    namespace_of,
    own_attributes,
    receiver_class,
    wrapped_in,
)
from spearmint.discovery.reach.table_store import module_of

_PACKAGE = __name__.partition(".")[0]
# These call what they are handed, within the case.
_CALLING = (f"{_PACKAGE}.context.current", f"{_PACKAGE}.context.threads")
_QUESTIONS = (".get_config", ".get_config_id")  # A case is asked these of a function, which is not called.
_BUILTINS: Mapping[str, Any] = vars(builtins)
_FUNCTIONS = frozenset({FunctionType, MethodType, BuiltinFunctionType, ModuleType})
_AROUND = frozenset({Bound, Getter, MethodType, staticmethod, classmethod})


class Called(NamedTuple):
    """What a body calls, or passes as an argument.

    Attributes:
        value: What its name stands for.
        target: The name, dotted.
        is_reference: Whether it is passed as an argument.
    """

    value: Any
    target: str
    is_reference: bool


def _is_ours(value: Any) -> bool:
    """Tell whether something is Spearmint's own, as `Spearmint.run` is: what it is handed runs in cases of its own."""
    function = value.function if type(value) is Bound else value
    module = module_of(function) if type(function) is FunctionType else ""
    return module.partition(".")[0] == _PACKAGE and module not in _CALLING


class Receiver:
    """The receiver of the function that a search begins with, and what of it the search has used.

    Args:
        value: An instance, or a class.

    Attributes:
        stands_for: The class, or an `Instance` that stands for the instance and does not keep it alive.
        is_used: Whether any of its attributes mattered.
        own_names: The attributes that the instance may hold by itself.
    """

    __slots__ = ("_own", "is_used", "own_names", "stands_for")

    def __init__(self, value: Any) -> None:
        is_open = is_class(value) or type(value) is Instance
        self.stands_for: Any = value if is_open else Instance(type(value))
        self._own = None if is_open else own_attributes(value)
        self.is_used = False
        self.own_names: set[str] = set()

    def attribute(self, name: str) -> Any:
        """Find an attribute, those of the instance included."""
        self.is_used = True
        found = attribute_of(self.stands_for, name)
        own = MISSING if self._own is None else self._own.get(name, MISSING)
        if type(found) is Getter or (found is not MISSING and own is MISSING):
            return found
        self.own_names.add(name)
        return seen_from_outside(own)


def seen_from_outside(value: Any) -> Any:
    """Return what stands for a value in an instance: itself if it is some function, else any instance of its class."""
    is_itself = value is MISSING or type(value) in _FUNCTIONS or is_class(value) or wrapped_in(value) is not MISSING
    return value if is_itself else Instance(type(value))


class Resolver:
    """Resolves names, and notes what they were read from.

    Args:
        dependencies: Where that is noted.
        receiver: The receiver of the function that the search begins with.
        is_followed: Tells of which modules the functions are looked into.
    """

    def __init__(
        self, dependencies: Dependencies, receiver: Receiver | None, is_followed: Callable[[str], bool]
    ) -> None:
        self._dependencies = dependencies
        self._receiver = receiver
        self._is_followed = is_followed

    def calls_of(self, function: FunctionType, receiver: Any) -> Iterable[Called]:
        """Return what a function's body calls or passes on, those of nested functions last."""
        if function.__closure__ is None and not has_tables(function):
            defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
            glance = None if any(map(self.leads_on, defaults)) else fast_scan(function.__code__)
            found = None if glance is None else self._calls_seen(glance, function, receiver)
            if found is not None:
                return found
        return self._calls_read(function, receiver)

    def _calls_seen(self, glance: ScanResult, function: FunctionType, receiver: Any) -> list[Called] | None:
        """Return the calls, where nothing else that the body names could be called; else None."""
        code = function.__code__
        first = code.co_varnames[0] if code.co_argcount else None
        calls = []
        for is_called, chains in ((True, glance.calls), (False, glance.other_names)):
            for root, path in chains:
                value = receiver if root == first else self.global_of(function, root)
                if path:
                    value = self._along(value, path)
                if value is MISSING or not self.leads_on(value):
                    continue
                if not is_called or is_class(value):
                    return None
                calls.append(Called(value, ".".join((root, *path)), is_reference=False))
        return calls

    def _calls_read(self, function: FunctionType, receiver: Any) -> Iterator[Called]:
        body = body_of(function)
        frame = _Frame(function, receiver, body, self)
        for scope in body.scopes:
            ours: set[tuple[int, int]] = set()
            for site in scope.sites:  # The callee comes before what is handed to it.
                value = self._value_of(site, scope, frame)
                if not site.is_reference and (_is_ours(value) or site.target.endswith(_QUESTIONS)):
                    ours.add(site.place)
                elif value is not MISSING and self.leads_on(value) and not (site.is_reference and site.place in ours):
                    yield Called(value, site.target, site.is_reference)

    def leads_on(self, value: Any) -> bool:
        """Tell whether calling something may run a body that is looked into."""
        kind = type(value)
        if kind is FunctionType:
            return self._is_followed(module_of(value)) or value.__closure__ is not None or hasattr(value, "__wrapped__")
        if kind is BuiltinFunctionType or kind is ModuleType:
            return False
        if issubclass(kind, type):
            return any(self._is_followed(module) for module in modules_of(value))
        return kind in _AROUND or in_class(kind, "__call__") is not MISSING

    def watch_cell(self, cell: Any) -> Any:
        """Return what is in a closure's cell."""
        value = cell_contents(cell)
        self._dependencies.add_read(cell_contents, (cell,), value)
        return value

    def global_of(self, function: FunctionType, name: str) -> Any:
        """Return what a name stands for in a function's globals, or as a builtin."""
        namespace = function.__globals__
        found = namespace.get(name, MISSING)
        self._dependencies.name(namespace, name, None if found is MISSING else found)
        return _BUILTINS.get(name, MISSING) if found is MISSING else found

    def _value_of(self, site: Site, scope: CodeScope, frame: "_Frame") -> Any:
        if site.called is not None and not site.path and site.root in ("super", "type"):
            return self._through_receiver(site, frame)
        value = frame.value_of(site.root, scope)
        if site.path:
            value = self._along(value, site.path)
        if site.called is None or value is MISSING:
            return value
        if not is_class(value):
            return MISSING  # What a function returns is not known.
        return self._along(Instance(value), site.called or ("__call__",))

    def _through_receiver(self, site: Site, frame: "_Frame") -> Any:
        """Resolve ``super().x``, and ``type(self).x``, which is what ``type`` is mostly called for in a method."""
        receiver = frame.receiver
        if not site.called:
            return MISSING
        if site.root == "type":
            return MISSING if receiver is MISSING else self._along(receiver_class(receiver), site.called)
        owner = frame.defining_class
        if owner is None:
            return MISSING
        if self._receiver is not None and receiver is self._receiver.stands_for:
            self._receiver.is_used = True
        name, *rest = site.called
        found = after_class(Instance(owner) if receiver is MISSING else receiver, owner, name)
        return self._along(found, rest)

    def _along(self, value: Any, path: Sequence[str]) -> Any:
        for name in path:
            if type(value) is Bound:
                value = value.function
            if value is MISSING or type(value) is Getter:
                return value  # What the getter gives is unknown, but it runs.
            value = self._attribute(value, name)
        return value

    def _attribute(self, value: Any, name: str) -> Any:
        if name == "__class__":
            return receiver_class(value)
        if self._receiver is not None and value is self._receiver.stands_for:
            return self._receiver.attribute(name)
        found = attribute_of(value, name)
        if issubclass(type(value), ModuleType):
            self._dependencies.name(namespace_of(value), name, None if found is MISSING else found)
        else:
            owner = receiver_class(value)
            self._dependencies.add_read(in_class, (owner, name), in_class(owner, name))
        return found


class _Frame:
    """A function as its scopes see it: receiver, closure, defaults and globals."""

    __slots__ = ("_body", "_defaults", "_function", "_resolver", "free", "receiver")

    def __init__(self, function: FunctionType, receiver: Any, body: FunctionBody, resolver: Resolver) -> None:
        self._function = function
        self._body = body
        self._resolver = resolver
        self._defaults: Mapping[str, Any] | None = None
        self.receiver = receiver
        self.free: dict[str, Any] = {}
        for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
            self.free[name] = resolver.watch_cell(cell)

    def value_of(self, name: str, scope: CodeScope) -> Any:
        """Return what a name stands for in one of the scopes, `MISSING` where only the running code knows."""
        own = self._body.scopes[0]
        is_own = scope is own
        if (is_own or name in scope.free) and name == own.receiver and self.receiver is not MISSING:
            return self.receiver
        if name in scope.imports:
            return self._imported(scope.imports[name])
        if name in scope.free and not is_own and name not in self.free:
            return self._imported(own.imports[name]) if name in own.imports else MISSING
        if name in scope.free:
            return self.free.get(name, MISSING)
        default = self._default(name) if is_own else MISSING
        if default is not MISSING:
            return default
        return self._resolver.global_of(self._function, name) if name in scope.names else MISSING

    @property
    def defining_class(self) -> type | None:
        """The class in whose body the function stands, where ``super()`` or its receiver tells."""
        cell = self.free.get("__class__", MISSING)
        if is_class(cell):
            return cell  # type: ignore[no-any-return]
        owner = self._function.__qualname__.rpartition(".")[0]
        bases = () if self.receiver is MISSING else receiver_class(self.receiver).__mro__
        return next((base for base in bases if base.__qualname__ == owner), None)

    def _default(self, name: str) -> Any:
        """Return what a parameter stands for when the caller does not pass it."""
        if self._defaults is None:
            function, code = self._function, self._function.__code__
            positional = code.co_varnames[: code.co_argcount]
            # A decorator may have given the function more defaults than its code has parameters.
            named = zip(reversed(positional), reversed(function.__defaults__ or ()), strict=False)
            self._defaults = {**dict(named), **(function.__kwdefaults__ or {})}
        return self._defaults.get(name, MISSING)

    def _imported(self, what: Imported) -> Any:
        """Return what an import statement in the body binds, if the module has been imported before."""
        module = what.module
        if what.level:
            package = self._function.__globals__.get("__package__") or ""
            base = package.split(".")[: package.count(".") + 2 - what.level]
            module = ".".join([*base, *([module] if module else [])])
        if what.attribute is None:
            return sys.modules.get(module, MISSING)
        if not what.attribute:
            return sys.modules.get(module.partition(".")[0], MISSING)
        found = sys.modules.get(module)
        value = MISSING if found is None else attribute_of(found, what.attribute)
        return sys.modules.get(f"{module}.{what.attribute}", MISSING) if value is MISSING else value
