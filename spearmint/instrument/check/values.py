"""What is wrong with values that settings name, and which of their reads are not followed, without running anything."""

import dis
import inspect
import itertools
from collections.abc import Iterator
from types import CodeType
from typing import Any

from spearmint.config import parse_configs
from spearmint.config.sources import iter_configs
from spearmint.errors import ConfigError, SettingsError
from spearmint.instrument.check.reachable_reads import ReachableReads
from spearmint.instrument.declare.value_originals import missing_literal, rebound_message, unfit
from spearmint.instrument.naming.bound_names import names_bound_in
from spearmint.instrument.naming.bound_values import ClassBody, FunctionDefinition, ImportedModule
from spearmint.instrument.naming.import_paths import ImportPaths
from spearmint.instrument.naming.missing import missing_module_message
from spearmint.instrument.naming.public_path import PublicPaths, followed
from spearmint.instrument.naming.static_modules import UNREADABLE, code_for_reading, find_module, matching_modules
from spearmint.instrument.rewrite.result import ReadSite
from spearmint.instrument.rewrite.value_links import ValueLinks
from spearmint.instrument.rewrite.value_paths import import_time_reads
from spearmint.instrument.rewrite.value_rewrite import rewrite_reads
from spearmint.instrument.settings.load import LoadedSettings
from spearmint.instrument.settings.matching import followed_value
from spearmint.instrument.settings.model import ValueEntry
from spearmint.instrument.settings.target import parse_target
from spearmint.instrument.settings.value_target import ValueTarget, ValueTargets, parse_value
from spearmint.instrument.values.static_values import StaticValue, static_values
from spearmint.suggest import did_you_mean

_MOST_CONFIGS = 10_000
_SHOWN = 5

_Keys = tuple[Any, ...]


class ValueChecker:
    """Checks the values of settings against the modules that are there.

    Args:
        loaded: The settings.

    Attributes:
        warnings: What is probably a mistake, and no error.
        notices: Reads that are not followed, and other things to know.
        reads: How many reads are followed.
    """

    def __init__(self, loaded: LoadedSettings) -> None:
        self._loaded = loaded
        self._paths = PublicPaths()
        self._imports = ImportPaths(self._paths)
        self._codes: dict[str, tuple[CodeType | None, bool]] = {}
        self.warnings: list[SettingsError] = []
        self.notices: list[str] = []
        self.reads = 0

    def errors(self) -> Iterator[SettingsError]:
        """Yield what is wrong, and find the reads of what is right."""
        right: dict[_Keys, ValueTarget] = {}
        for keys, entry in self._loaded.values():
            value = followed_value(parse_value(entry.value), self._imports)
            problems = list(self._of_value(keys, entry, value))
            yield from problems
            if not problems:
                right[keys] = value
        if right:
            yield from self._of_reads(right)

    def _of_value(self, keys: _Keys, entry: ValueEntry, value: ValueTarget) -> Iterator[SettingsError]:
        place = (*keys, "value")
        error = self._loaded.origin.error
        if value.module == "__main__":  # The script of `spearmint run` is not there yet.
            return
        if find_module(value.module) is None:
            yield error(missing_module_message(value.module, f"the value {value.text!r}"), place)
            return
        code, is_package = self._code(value.module)
        if code is None:
            message = f"Cannot vary {value.text!r}: module {value.module!r} cannot be read. Name one of Python code."
            yield error(message, place)
            return
        known = static_values(code)
        found = next((one for one in known if one.name == value.name), None)
        if found is None and (problem := self._missing(value, code, known, is_package=is_package)):
            yield error(problem, place)
        elif found is not None:
            self._note_equals(value, found, known)
            yield from self._of_configs(keys, entry, found.value)

    def _missing(self, value: ValueTarget, code: CodeType, known: list[StaticValue], *, is_package: bool) -> str | None:
        """Return why a value that is none of the plain ones is none; None where only running the module could tell."""
        if value.literal is not None:
            return missing_literal(value, [one.name for one in known if one.kind == "literal"])
        if not value.is_attribute:
            return _missing_constant(value, code, value.module if is_package else value.module.rpartition(".")[0])
        if self._paths.definitions_of(value.module, value.name):
            return None
        close = did_you_mean(value.name, [one.name for one in known if one.kind == "attribute"]) or " Correct the name."
        return f"Cannot vary {value.text!r}: there is no such attribute.{close}"

    def _note_equals(self, value: ValueTarget, found: StaticValue, known: list[StaticValue]) -> None:
        literal = value.literal
        if literal is None or literal.place or value.text.endswith("]"):
            return
        same = [one for one in known if one.function == found.function and literal.is_equal(one.value)]
        if len(same) > 1:
            lines = ", ".join(str(one.line) for one in same)
            self.notices.append(
                f"{value.text} is the first of {len(same)} in that function, in lines {lines}; [1] is the second."
            )

    def _of_configs(self, keys: _Keys, entry: ValueEntry, original: Any) -> Iterator[SettingsError]:
        origin = self._loaded.origin
        try:
            sources = iter_configs(entry.configs or [], relative_to=origin.folder)
            configs = parse_configs(list(itertools.islice(sources, _MOST_CONFIGS)))
        except ConfigError as error:
            yield origin.error(str(error), (*keys, "configs"))
            return
        for config in configs:
            if problem := unfit(entry, original, config):
                yield origin.error(problem, (*keys, "configs"))

    def _of_reads(self, values: dict[_Keys, ValueTarget]) -> Iterator[SettingsError]:
        """Find all reads in the packages, and yield an error for each value that code binds anew."""
        packages = [one.name for one in self._loaded.settings.packages]
        modules = {name for package in packages for name in matching_modules(package)}
        modules.update(one.module for one in values.values())
        wanted = tuple(values.values())
        links = ValueLinks(ValueTargets(wanted))
        places: dict[str | None, list[tuple[str, ReadSite]]] = {}
        for module in sorted(modules):
            code, is_package = self._code(module)
            if code is not None:
                _, sites = rewrite_reads(code, module, is_package=is_package, values=wanted)
                sites += import_time_reads(code, module, is_package=is_package, values=wanted)
                for site in sites:
                    name = site.path if site.kind == "literal" else links.name_of(site.path)
                    places.setdefault(name, []).append((module, site))
        modules_within = {module for keys in values for _, starts in self._starts(keys) for module, _ in starts}
        codes = {name: self._code(name)[0] for name in modules | modules_within}
        reachable = ReachableReads({name: code for name, code in codes.items() if code is not None})
        for keys, value in values.items():
            found = places.get(value.full_name, [])
            rebound = next((each for each in found if each[1].kind == "rebound"), None)
            if rebound is not None:
                yield self._loaded.origin.error(rebound_message(value, rebound[1]), (*keys, "value"))
            reads = [each for each in found if each[1].kind not in ("rebound", "import")]
            self.reads += len(reads)
            if not reads and value.module != "__main__":
                message = (
                    f"No code of the packages reads {value.text!r}, so that it would make no difference. "
                    "Add the package that does to 'packages', or take the entry out."
                )
                self.warnings.append(self._loaded.origin.error(message, (*keys, "value")))
            elif reads:
                self._warn_of_within(keys, value, reads, reachable)
            missed = [f"{module}, line {site.line}" for module, site in found if site.kind == "import"]
            missed += self._asked_by_name(value, modules)
            if missed:
                more = f" and {len(missed) - _SHOWN} more" if len(missed) > _SHOWN else ""
                self.notices.append(
                    f"{value.text} is not followed where it is read as a module is imported, or by getattr: "
                    f"{'; '.join(missed[:_SHOWN])}{more}. What these make of it stays as it is."
                )

    def _warn_of_within(
        self, keys: _Keys, value: ValueTarget, sites: list[tuple[str, ReadSite]], reachable: ReachableReads
    ) -> None:
        """Warn of each function under `within` that reaches none of the reads of a value."""
        scopes = {(module, site.scope) for module, site in sites}
        for text, starts in self._starts(keys):
            if not any(reachable.reaches(start, scopes) for start in starts):
                places = "; ".join(f"{module}:{site.scope}, line {site.line}" for module, site in sites[:_SHOWN])
                message = (
                    f"{text!r} reaches no read of {value.text!r}, so that its calls vary nothing: it is read in "
                    f"{places}. Name a function whose calls come there, or leave it out."
                )
                self.warnings.append(self._loaded.origin.error(message, (*keys, "within")))

    def _starts(self, keys: _Keys) -> Iterator[tuple[str, list[tuple[str, str]]]]:
        """Yield what stands under `within` of an entry, and the functions that it means."""
        for text in getattr(self._loaded.settings.experiments[keys[1]], "within", ()):
            yield text, [(one.module, one.name) for one, _ in followed(parse_target(text), self._paths)]

    def _asked_by_name(self, value: ValueTarget, modules: set[str]) -> list[str]:
        if value.literal is not None:
            return []
        found = []
        for module in sorted(modules):
            code, _ = self._code(module)
            found += [f"{module}, line {line}" for line in _getattr_lines(code, value.last_name)] if code else []
        return found

    def _code(self, module: str) -> tuple[CodeType | None, bool]:
        if module not in self._codes:
            spec = find_module(module)
            try:
                code = None if spec is None or spec.loader is None else code_for_reading(spec)
            except UNREADABLE:
                code = None
            is_package = spec is not None and spec.submodule_search_locations is not None
            self._codes[module] = code, is_package
        return self._codes[module]


def _missing_constant(value: ValueTarget, code: CodeType, package: str) -> str | None:
    bound = names_bound_in(code, package)
    held = bound.names.get(value.name)
    if held is None and (bound.stars or "__getattr__" in bound.names):
        return None
    if held is None:
        close = did_you_mean(value.name, bound.names) or " Correct the name."
        return f"Cannot vary {value.text!r}: module {value.module!r} has no {value.name!r}.{close}"
    if isinstance(held[-1], FunctionDefinition):
        return f"Cannot vary {value.text!r}: it is a function. Write 'target: {value.text}' for its calls."
    if isinstance(held[-1], ClassBody | ImportedModule):
        what = "a class" if isinstance(held[-1], ClassBody) else "a module"
        return f"Cannot vary {value.text!r}: it is {what}. Name a value in it."
    return None


def _getattr_lines(code: CodeType, name: str) -> Iterator[int]:
    if "getattr" in code.co_names and name in code.co_consts and code.co_flags & inspect.CO_OPTIMIZED:
        for instruction in dis.get_instructions(code):
            if instruction.argval == name and instruction.opname == "LOAD_CONST" and instruction.positions:
                yield instruction.positions.lineno or code.co_firstlineno
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _getattr_lines(constant, name)
