"""What became of everything that settings name, as `Handle.report` gives it."""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from spearmint.instrument.importing.already_imported import EARLIER, PAST, covered_modules
from spearmint.instrument.importing.installation import Installation
from spearmint.instrument.rewrite.result import ModuleOutcome, ModuleState
from spearmint.instrument.rewrite.value_links import ValueLinks
from spearmint.instrument.settings.model import PackageEntry
from spearmint.instrument.settings.value_target import ValueTargets
from spearmint.planning.value_slots import slot_of

_NAMESPACE = ModuleOutcome("left", "it is a folder, without code of its own")
_OTHER_PROGRAM = ModuleOutcome("left", "it is not the program that spearmint run runs")
_NOT_IMPORTED = ModuleOutcome("not_imported")


@dataclass(frozen=True, slots=True)
class ModuleAccount:
    """What became of one module.

    Attributes:
        name: Its name.
        state: ``rewritten`` or ``cached``: the code that runs is rewritten, just now or by an earlier import.
            ``wrapped_after``: its functions were wrapped once it had run. ``left``: it is as it is. ``not_imported``.
        reason: Why its code is not rewritten; empty where it is.
        is_missed: Whether it was imported before `install`, or loaded by a hook that passed ours over.
    """

    name: str
    state: ModuleState
    reason: str = ""
    is_missed: bool = False

    def __str__(self) -> str:
        return f"{self.name}  {self.state}" + (f" ({self.reason})" if self.reason else "")


@dataclass(frozen=True, slots=True)
class TargetAccount:
    """What became of one target, or of one package with ``auto``.

    Attributes:
        target: The target; of a package, its name and how it finds its experiments.
        functions: The functions that became experiments by it, ``"module:qualified.name"``.
        refused: Those that could not, each with the reason.
        idle_bindings: The bound parameters that no config has filled in any call so far, each with the reason.
    """

    target: str
    functions: tuple[str, ...]
    refused: tuple[tuple[str, str], ...] = ()
    idle_bindings: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        count = len(self.functions)
        moved = f" ({self.functions[0]})" if count == 1 and "*" not in self.target and ":" in self.target else ""
        moved = moved.replace(f" ({self.target})", "")
        idle = "".join(f"; {idle_message(*one)}" for one in self.idle_bindings)
        left = "".join(f"; {name} is left: {reason}" for name, reason in self.refused)
        return f"{self.target}  {count} function{'s' * (count != 1)}{moved}{left}{idle}"


@dataclass(frozen=True, slots=True)
class ValueAccount:
    """What became of one value.

    Attributes:
        value: Its name, ``"module:name"``.
        reads: Where code reads it by way of the running case: ``"module:qualified.name, line 12"``.
        is_declared: Whether it is under experiment, as it is once its module has been imported.
        strangers: How many reads within cases have met something else than what stood in the code, which they gave.
    """

    value: str
    reads: tuple[str, ...]
    is_declared: bool
    strangers: int = 0

    def __str__(self) -> str:
        count = len(self.reads)
        is_imported = self.value.partition(":")[0] in sys.modules
        missing = "; its module's code is not rewritten" if is_imported else "; its module is not imported"
        state = "" if self.is_declared else missing
        met = f"{self.strangers} read{'s' * (self.strangers != 1)}"
        other = f"; {met} met what was bound to it at run time" if self.strangers else ""
        return f"{self.value}  {count} read{'s' * (count != 1)}{state}{other}"


@dataclass(frozen=True, slots=True)
class InstallationReport:
    """What became of everything that settings name; ``str()`` has a line for each module, target and value.

    Attributes:
        modules: The modules, by name: those that the settings name, and those imported that packages and globs cover.
        targets: The targets, then the packages with ``auto``, in the order of the settings.
        values: The values, in the order of the settings.
    """

    modules: tuple[ModuleAccount, ...]
    targets: tuple[TargetAccount, ...]
    values: tuple[ValueAccount, ...] = ()

    @property
    def missed(self) -> tuple[ModuleAccount, ...]:
        """The modules that were imported before `install`, or loaded by a hook that passed ours over."""
        return tuple(one for one in self.modules if one.is_missed)

    def __str__(self) -> str:
        return "\n".join(map(str, (*self.modules, *self.targets, *self.values)))


def report_on(installation: Installation) -> InstallationReport:
    """Return what has become, by now, of everything that an installation's settings name."""
    found = dict.fromkeys(installation.targets.modules, _NOT_IMPORTED)
    for name in [one for one in found if one in sys.modules]:  # Where there is code, this is not the last word.
        found[name] = _NAMESPACE
    missed = set()
    for name, module, is_pending in covered_modules(installation):
        if is_pending:
            found[name] = _NOT_IMPORTED
            continue
        found[name] = _outcome(installation, name, module)
        targets = installation.targets.of(name)
        is_past = found[name].reason.startswith(PAST) and targets is not None and targets.rules
        if is_past or name in installation.account.already_imported:
            missed.add(name)  # Of a package without experiments, hooks that come first hide nothing.
    modules = (
        ModuleAccount(name, outcome.state, outcome.reason, name in missed) for name, outcome in sorted(found.items())
    )
    return InstallationReport(tuple(modules), tuple(_targets(installation)), tuple(_values(installation)))


def missed_message(missed: Iterable[ModuleAccount]) -> str:
    """Return what is said of modules that were missed."""
    listed = ", ".join(f"{one.name} ({one.reason})" for one in missed)
    return f"Modules that the settings name are not instrumented from their first line on: {listed}."


def _outcome(installation: Installation, name: str, module: ModuleType) -> ModuleOutcome:
    account = installation.account
    known = account.modules.get(name)
    if known is not None:
        return known
    if name in account.already_imported:
        return ModuleOutcome("left", EARLIER)
    if name not in installation.modules:
        if name == "__main__":  # As in a child that runs another script.
            return _OTHER_PROGRAM
        return ModuleOutcome("left", PAST)
    loader: Any = vars(module).get("__loader__")
    kind = type(loader)
    return ModuleOutcome("left", f"{PAST}: {kind.__module__}.{kind.__qualname__} has made its code")


def _targets(installation: Installation) -> Iterator[TargetAccount]:
    account = installation.account
    for keys, entry in installation.loaded.entries():
        if isinstance(entry, PackageEntry):
            if entry.auto is None:
                continue
            label = f"{entry.name} (auto: {entry.auto})"
        else:
            label = entry.target
        names = [name for name, one in entry.bindings.items() if ":" not in name and one and not one.override]
        idle = tuple(account.idle_bindings_of(keys, names))
        yield TargetAccount(label, account.functions_of(keys), tuple(account.refused_of(keys).items()), idle)


def _values(installation: Installation) -> Iterator[ValueAccount]:
    values = installation.targets.values
    links = ValueLinks(ValueTargets(values.values()))
    places: dict[str | None, list[str]] = {}
    for module, outcome in installation.account.modules.items():
        for site in outcome.reads:
            if site.kind != "rebound":
                name = site.path if site.kind == "literal" else links.name_of(site.path)
                places.setdefault(name, []).append(f"{module}:{site.scope}, line {site.line}")
    for keys, value in values.items():
        is_declared = installation.values.declared(keys) is not None
        found = tuple(places.get(value.full_name, ()))
        yield ValueAccount(value.full_name, found, is_declared, slot_of(value.full_name).strangers)


def idle_message(parameter: str, reason: str) -> str:
    """Return what is said of a binding that has taken no effect."""
    advice = "" if reason.startswith("none") else ". Write 'override: true' to let the config win"
    return f"the binding of {parameter!r} has never taken effect: {reason}{advice}"


def tell(text: str) -> None:
    """Write a line to stderr, where there is one, which may be closed."""
    if sys.stderr is not None:
        sys.stderr.write(f"{text}\n")
