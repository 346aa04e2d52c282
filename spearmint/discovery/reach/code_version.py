"""The version of all code that a function reaches: what a stored result was made by."""

import functools
import hashlib
import importlib.metadata
import json
import sys
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from types import FunctionType, MethodType, ModuleType
from typing import Any

from spearmint.config.canonical import canonical_text
from spearmint.discovery.reach.code_digest import CodeDigest, ImportedName, digest_of
from spearmint.discovery.reach.static_lookup import (
    MISSING,
    cell_contents,
    is_class,
    modules_of,
    namespace_of,
    own_attributes,
    unwrapped,
    wrapped_in,
)
from spearmint.discovery.reach.table_store import module_of
from spearmint.discovery.reach.user_code import IsFollowed, same_project_filter

_OURS = __name__.partition(".")[0]
_MOST_ITEMS = 10_000  # of a container that are searched for functions
_DEEPEST = 8
_CONTAINERS = (dict, list, tuple, set, frozenset)
_CONSTRUCTORS = frozenset({"__init__", "__new__", "__post_init__"})
_CLASS_NOISE = frozenset(
    {"__doc__", "__module__", "__dict__", "__weakref__", "__firstlineno__", "__static_attributes__"}
    | {"__annotations_cache__"}  # what has been read of the annotations so far
)
_OWN_CELLS = frozenset({"__classdict__", "__conditional_annotations__"})  # of annotations: the class itself is walked


def code_version(function: Callable[..., Any]) -> str:
    """Return a hash over everything of the user's that a function's result depends on.

    That is: the code of every user function that it reaches, their defaults, the globals, class attributes and closure
    variables that these read, where their values have a canonical form, and the versions of the distributions that they
    use. Comments, docstrings, line numbers and file names do not count, and neither does what the code itself changes,
    such as a counter or a cache. What no name leads to (a function in a database, say) is not seen.

    Args:
        function: A function, method, partial, class or callable object; an experiment counts as its function.

    Returns:
        16 hexadecimal digits, the same in every process for the same code under the same CPython version. CPython 3.12
        compiles a comprehension that is split over lines otherwise, which is another version there.
    """
    return version_of([function])


def version_of(functions: Iterable[Callable[..., Any]]) -> str:
    """Return the version of several functions as one."""
    roots = list(functions)
    filters = [same_project_filter(name) for name in {_home_of(root) for root in roots}]

    @functools.cache
    def is_followed(module: str) -> bool:
        return module.partition(".")[0] != _OURS and any(one(module) for one in filters)

    # Twice: only once all is known of what the code changes can one tell which values are settings and which are state.
    draft = _Walk(is_followed, None)
    draft.run(roots)
    final = _Walk(is_followed, draft.changed)
    final.run(roots)
    text = json.dumps([sorted(final.entries), sorted(_versions(final.border))], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _home_of(root: Any) -> str:
    """Return the module that a root was defined in."""
    while isinstance(root, functools.partial | MethodType):
        root = root.func if isinstance(root, functools.partial) else root.__func__
    inner = unwrapped(root)
    if type(inner) is FunctionType:
        return module_of(inner)
    return next(modules_of(inner if is_class(inner) else type(inner)), "")


class _Walk:
    """A walk over functions, classes and the values that they read.

    Args:
        is_followed: Tells of which modules, by name, the code counts.
        changed: What the code changes: pairs of an owner's id and a name. None to find that out, and no values.

    Attributes:
        entries: The parts of the version, as JSON text.
        border: Top-level packages that are used and not followed.
        changed: What has been found to be changed.
    """

    def __init__(self, is_followed: IsFollowed, changed: set[tuple[int, str]] | None) -> None:
        self._is_followed = is_followed
        self._left_out: set[tuple[int, str]] = changed or set()
        self._is_draft = changed is None
        self._kept: list[Any] = []  # so that no id is used twice
        self._seen: set[int] = set()
        self._waiting: list[Callable[[], None]] = []
        self.entries: list[str] = []
        self.border: set[str] = set()
        self.changed: set[tuple[int, str]] = set()

    def run(self, roots: Iterable[Any]) -> None:
        """Walk over all that the roots reach."""
        self._add("roots", [self._form(root) for root in roots])
        while self._waiting:
            self._waiting.pop()()

    def _add(self, label: str, form: Any) -> None:
        if not self._is_draft:
            self.entries.append(json.dumps([label, form], sort_keys=True))

    def _enter(self, value: Any, visit: Callable[[Any], None]) -> None:
        if id(value) not in self._seen:
            self._seen.add(id(value))
            self._kept.append(value)
            self._waiting.append(functools.partial(visit, value))

    def _form(self, value: Any, names: frozenset[str] = frozenset(), depth: int = 0) -> Any:
        """Return what tells a value from others, and walk on to the code in it; None where nothing does."""
        if depth > _DEEPEST:
            return None
        parts = _parts(value)
        if type(value) is FunctionType:
            self._enter(value, self._function)
            form: Any = ["function", _label(value)]
        elif parts is not None:
            form = [self._form(part, names, depth + 1) for part in parts]
            form = form[0] if len(form) == 1 else form
        elif is_class(value):
            form = self._class_form(value)
        elif isinstance(value, ModuleType):
            form = self._module_form(value, names, depth)
        elif type(value) in _CONTAINERS:
            form = self._container_form(value, names, depth)
        else:
            form = self._instance_form(value, depth)
        return form

    def _class_form(self, owner: type) -> Any:
        if any(self._is_followed(module) for module in modules_of(owner)):
            self._enter(owner, self._class)
        else:
            self._cross(next(modules_of(owner), ""))
        return ["class", f"{owner.__module__}:{owner.__qualname__}"]

    def _module_form(self, module: ModuleType, names: frozenset[str], depth: int) -> Any:
        space = namespace_of(module)
        name = str(space.get("__name__"))
        if not self._is_followed(name):
            self._cross(name)
            return ["module", name]
        held = {
            one: self._form(space[one], names, depth + 1)
            for one in sorted(names & space.keys())
            if (id(space), one) not in self._left_out
        }
        return ["module", name, held]

    def _container_form(self, value: Any, names: frozenset[str], depth: int) -> Any:
        items = value.items() if isinstance(value, Mapping) else [("", item) for item in value]
        text = self._canonical(value)
        parts: list[Any] = []
        if len(items) <= _MOST_ITEMS:
            parts = [[key if isinstance(key, str) else "", self._form(item, names, depth + 1)] for key, item in items]
        if isinstance(value, set | frozenset):
            parts.sort(key=json.dumps)
        return ["container", type(value).__name__, parts if text is None else text]

    def _instance_form(self, value: Any, depth: int) -> Any:
        form = self._class_form(type(value)) if type(value).__module__ != "builtins" else ["builtin"]
        self._cross(getattr(value, "__module__", None) or "")
        content: Any = self._canonical(value)
        own = own_attributes(value)
        if content is None and own is not None and self._is_followed(type(value).__module__):
            content = {
                str(name): self._form(item, depth=depth + 1)
                for name, item in own.items()
                if (0, name) not in self._left_out
            }
        return [form, content]

    def _canonical(self, value: Any) -> str | None:
        if self._is_draft:
            return None
        try:
            return canonical_text({"value": value})
        except Exception:  # noqa: BLE001 - a value of the user's may refuse in any way
            return None

    def _cross(self, module: str) -> None:
        """Note a module that is used and not followed."""
        package = str(module).partition(".")[0]
        if package and package not in sys.stdlib_module_names and package != _OURS and not self._is_followed(package):
            self.border.add(package)

    def _function(self, function: FunctionType) -> None:
        inner = wrapped_in(function)
        wrapped = [] if inner is MISSING else [self._form(inner)]
        cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
        if not self._is_followed(module_of(function)):
            self._cross(module_of(function))
            held = (cell_contents(cell) for cell in cells.values())  # as a decorator's, which may hold a user's
            self._add("border", [wrapped, [self._form(one) for one in held if callable(one)]])
            return
        digest = digest_of(function.__code__)
        self._note_changes(function, digest, cells)
        space = function.__globals__
        read = {
            name: self._form(space[name], digest.names)
            for name in sorted(digest.globals_read & space.keys())
            if (id(space), name) not in self._left_out
        }
        closed = {
            name: self._form(cell_contents(cell), digest.names)
            for name, cell in cells.items()
            if name not in _OWN_CELLS and (id(cell), "") not in self._left_out and cell_contents(cell) is not MISSING
        }
        imported = [self._form(value, digest.names) for value in _imported(digest.imports, space)]
        defaults = [self._form(one) for one in (function.__defaults__ or (), function.__kwdefaults__ or {})]
        self._add(_label(function), [digest.form, defaults, read, closed, imported, wrapped])

    def _note_changes(self, function: FunctionType, digest: CodeDigest, cells: Mapping[str, Any]) -> None:
        space = function.__globals__
        self._kept.append(space)
        self.changed.update((id(space), name) for name in digest.globals_changed)
        self.changed.update((id(cells[name]), "") for name in digest.free_changed if name in cells)
        if function.__name__ not in _CONSTRUCTORS:
            self.changed.update((0, name) for name in digest.attributes_changed)

    def _class(self, owner: type) -> None:
        bases = [self._class_form(base) for base in owner.__bases__ if base is not object]
        held: dict[str, Any] = {}
        for name, value in vars(owner).items():
            if name not in _CLASS_NOISE and (0, name) not in self._left_out:
                held[name] = self._form(value)
        fields = getattr(owner, "__pydantic_fields__", None)
        if isinstance(fields, dict):
            held = {
                name: form for name, form in held.items() if not name.startswith(("__pydantic", "model_", "_abc"))
            } | {f"field {name}": self._form(getattr(field, "default", None)) for name, field in fields.items()}
        if issubclass(owner, Enum):
            held |= {f"member {member.name}": self._form(member.value) for member in owner}
        self._add(f"class {owner.__module__}:{owner.__qualname__}", [bases, held])


def _label(function: FunctionType) -> str:
    return f"{module_of(function)}:{function.__qualname__}"


def _parts(value: Any) -> tuple[Any, ...] | None:
    """Return what a callable or descriptor is made of; None for what is not made of others."""
    if type(value) is FunctionType:
        return None
    if isinstance(value, MethodType):
        return value.__func__, value.__self__
    if isinstance(value, functools.partial):
        return value.func, value.args, value.keywords
    if isinstance(value, property):
        return value.fget, value.fset, value.fdel
    if isinstance(value, functools.cached_property):
        return (value.func,)
    inner = wrapped_in(value)  # class and static methods, caches, proxies
    return None if inner is MISSING else (inner,)


def _imported(imports: Iterable[ImportedName], space: Mapping[str, Any]) -> Iterator[Any]:
    """Yield what import statements inside a body lead to, as far as it has been imported."""
    for one in imports:
        name = one.module
        if one.level:
            parts = str(space.get("__package__") or "").split(".")
            name = ".".join([*parts[: len(parts) - one.level + 1], *([one.module] if one.module else [])])
        module = sys.modules.get(name)
        if not isinstance(module, ModuleType):
            continue
        yield module
        for taken in one.names:
            value = namespace_of(module).get(taken, sys.modules.get(f"{name}.{taken}", MISSING))
            if value is not MISSING:
                yield value


def _versions(packages: Iterable[str]) -> Iterator[str]:
    for package in packages:
        for name in _distributions_of(package):
            yield f"{name}=={importlib.metadata.version(name)}"


@functools.cache
def _distributions_of(package: str) -> tuple[str, ...]:
    """Return the distributions that a top-level package comes from; none for a loose module."""
    try:
        importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return tuple(sorted(set(_all_distributions().get(package, ()))))
    return (package,)


@functools.cache
def _all_distributions() -> Mapping[str, list[str]]:
    return types.MappingProxyType(dict(importlib.metadata.packages_distributions()))
