"""What could vary in all code that a function reaches: constants, attributes, literals and parameters with defaults."""

import enum
import inspect
import re
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

from spearmint.discovery.reach.call_graph import reach
from spearmint.discovery.reach.function_body import body_of
from spearmint.discovery.reach.static_lookup import unwrapped
from spearmint.discovery.reach.table_store import module_of
from spearmint.instrument.naming.bound_names import names_bound_in
from spearmint.instrument.naming.bound_values import ImportedAttribute, ImportedModule
from spearmint.instrument.naming.static_modules import UNREADABLE, code_for_reading, find_module
from spearmint.instrument.rewrite.value_links import ValueLinks
from spearmint.instrument.rewrite.value_rewrite import rewrite_reads
from spearmint.instrument.settings.value_target import ValueTargets, parse_value
from spearmint.instrument.values.static_values import StaticValue, static_values

_DULL = (0, 1, -1, 0.0, 1.0, -1.0)
_PROMPT_LENGTH = 40
_WORDS = re.compile(r"\w+\s+\w+")
_LIKELY = re.compile(
    r"prompt|system|template|instruction|temperature|top_?[kp]|threshold|weight|boost|model|alpha|beta|limit|max_tokens",
    re.IGNORECASE,
)
_SIMPLE = (bool, int, float, str)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that could vary.

    Attributes:
        name: Its name in settings: of a value, or of a function whose parameter it is.
        parameter: The parameter; empty for a value.
        kind: What it is, for people.
        value: What it is now.
        choices: What else it may be, where its type says so.
        place: ``"package.module, line 12"``.
    """

    name: str
    parameter: str
    kind: str
    value: Any
    choices: tuple[Any, ...]
    place: str

    @property
    def is_prompt(self) -> bool:
        """Whether it is a long text."""
        return isinstance(self.value, str) and len(self.value) >= _PROMPT_LENGTH and bool(_WORDS.search(self.value))

    @property
    def likelihood(self) -> int:
        """How likely it matters, as far as its kind and name tell: more is likelier."""
        last = self.parameter or self.name.partition("#")[0].rpartition(".")[2].rpartition(":")[2]
        named = 2 if _LIKELY.search(last) else 0
        kinds = {"prompt": 6, "constant": 3, "attribute": 3, "parameter": 2, "option": 2, "literal": 1}
        return kinds[self.kind] + named + (isinstance(self.value, float) and self.kind == "literal")


def candidates(function: Any) -> list[Candidate]:
    """Find what could vary in all code of the project that a function reaches, the likeliest first.

    Args:
        function: The function, whose module has been imported; a proxy of one will do.
    """
    plain = unwrapped(function)
    functions: dict[str, FunctionType] = {}
    for node in reach(plain).nodes:
        one = unwrapped(node.function)
        if type(one) is FunctionType:
            functions.setdefault(f"{module_of(one)}:{one.__qualname__}", one)
    found = [*_values(functions), *_parameters(functions), *_options(functions)]
    unique: dict[tuple[str, str], Candidate] = {}
    for one in found:
        unique.setdefault((one.name, one.parameter), one)
    return sorted(unique.values(), key=lambda one: -one.likelihood)


def _values(functions: Mapping[str, FunctionType]) -> Iterator[Candidate]:
    modules = dict.fromkeys(module_of(one) for one in functions.values())
    codes = {}
    for module in modules:
        spec = find_module(module)
        try:
            code = None if spec is None or spec.loader is None else code_for_reading(spec)
        except UNREADABLE:
            code = None
        if spec is not None and code is not None:
            codes[module] = code, spec.submodule_search_locations is not None
    known = dict(_named_values(functions))
    targets = [parse_value(name) for name, one in known.items() if one.kind != "literal"]
    links = ValueLinks(ValueTargets(targets))
    read: set[str | None] = set()
    for module, (code, is_package) in codes.items():
        _, sites = rewrite_reads(code, module, is_package=is_package, values=targets)
        read.update(
            links.name_of(site.path)
            for site in sites
            if f"{module}:{site.scope.partition('.<locals>')[0]}" in functions and site.kind != "rebound"
        )
    for name, one in known.items():
        module = name.partition(":")[0]
        is_reached = f"{module}:{one.function}" in functions if one.kind == "literal" else name in read
        if is_reached and _is_of_interest(one):
            made = Candidate(name, "", one.kind, one.value, (), f"{module}, line {one.line}")
            yield Candidate(name, "", "prompt", one.value, (), made.place) if made.is_prompt else made


def _named_values(functions: Mapping[str, FunctionType]) -> Iterator[tuple[str, StaticValue]]:
    """Yield the values of all modules that the functions stand in, or whose names these may import."""
    modules = dict.fromkeys(module_of(one) for one in functions.values())
    for one in functions.values():
        for held in list(one.__globals__.values()):
            name = held.__name__ if isinstance(held, ModuleType) else getattr(held, "__module__", None)
            root = module_of(one).partition(".")[0]
            if isinstance(name, str) and name.partition(".")[0] == root:
                modules[name] = None
    pending = list(modules)
    for module in pending:
        spec = find_module(module)
        try:
            code = None if spec is None or spec.loader is None else code_for_reading(spec)
        except UNREADABLE:
            code = None
        if code is None:
            continue
        for value in static_values(code):
            yield f"{module}:{value.name}", value
        for imported in _imported_modules(module, code, is_package=bool(spec and spec.submodule_search_locations)):
            if imported.partition(".")[0] == module.partition(".")[0] and imported not in pending:
                pending.append(imported)


def _imported_modules(module: str, code: Any, *, is_package: bool) -> Iterator[str]:
    bound = names_bound_in(code, module if is_package else module.rpartition(".")[0])
    for held in bound.names.values():
        for one in held:
            if isinstance(one, ImportedAttribute):
                yield one.module
                yield f"{one.module}.{one.name}"
            elif isinstance(one, ImportedModule):
                yield one.name
    yield from bound.stars


def _is_of_interest(one: StaticValue) -> bool:
    if isinstance(one.value, bool):
        return one.kind != "literal"
    if isinstance(one.value, int | float):
        return one.value not in _DULL
    if isinstance(one.value, str):
        return len(one.value) >= _PROMPT_LENGTH and bool(_WORDS.search(one.value))
    return False


def _parameters(functions: Mapping[str, FunctionType]) -> Iterator[Candidate]:
    for name, function in functions.items():
        if "<locals>" not in name and "<lambda>" not in name:
            line = function.__code__.co_firstlineno
            place = f"{module_of(function)}, line {line}"
            yield from _of_signature(name, function, place, "parameter")


def _options(functions: Mapping[str, FunctionType]) -> Iterator[Candidate]:
    """Yield the optional parameters of functions of other packages that are called by name."""
    for function in functions.values():
        root = module_of(function).partition(".")[0]
        for site in body_of(function).scopes[0].sites:
            held: Any = function.__globals__.get(site.root)
            for part in site.path:
                held = inspect.getattr_static(held, part, None) if held is not None else None
            called = unwrapped(held)
            if type(called) is not FunctionType or "<" in called.__qualname__:
                continue
            module = module_of(called)
            if module.partition(".")[0] != root:
                place = f"{module_of(function)}, line {site.place[0]}"
                for one in _of_signature(f"{module}:{called.__qualname__}", called, place, "option"):
                    if _LIKELY.search(one.parameter):
                        yield one


def _of_signature(name: str, function: FunctionType, place: str, kind: str) -> Iterator[Candidate]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError, NameError):
        return
    for one in parameters:
        default = one.default
        if one.name.startswith("_") or default is one.empty:
            continue
        choices = _choices(one.annotation)
        if choices or (type(default) in _SIMPLE and default != ""):
            yield Candidate(name, one.name, kind, default, choices, place)


def _choices(annotation: Any) -> tuple[Any, ...]:
    """Return the members of a `Literal` of plain values; an enum has none that a settings file could write."""
    if typing.get_origin(annotation) is typing.Literal:
        return tuple(one for one in typing.get_args(annotation) if type(one) in _SIMPLE)
    if isinstance(annotation, type) and issubclass(annotation, enum.StrEnum):
        return tuple(one.value for one in annotation)
    return ()
