"""From a value that a settings file names to the experiment that it becomes."""

import inspect
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

from spearmint.config import Config
from spearmint.config.model import assemble, give_id
from spearmint.config.paths import look_up
from spearmint.config_files import are_same
from spearmint.errors import SpearmintError
from spearmint.instrument.declare.instances import check_configs, read_options
from spearmint.instrument.rewrite.result import ReadSite
from spearmint.instrument.settings.load import LoadedSettings
from spearmint.instrument.settings.matching import Targets
from spearmint.instrument.settings.model import ValueEntry
from spearmint.instrument.settings.origin import SettingsSource
from spearmint.instrument.settings.value_target import ValueTarget
from spearmint.online.steering import keep_at_its_stage
from spearmint.planning.value_slots import ValueSlot, slot_of
from spearmint.registry.changes import Change
from spearmint.registry.pin import Pin
from spearmint.registry.registry import registry
from spearmint.registry.settings import ExperimentSettings
from spearmint.registry.switches import switches
from spearmint.registry.value import ORIGINAL, ValueExperiment
from spearmint.strategies.split import Split
from spearmint.suggest import did_you_mean

_CHECKED = (str, int, float, bool, tuple)
_MISSING = object()

Keys = tuple[str, int]


class ValueDeclarations:
    """Puts values under experiment as the settings say, once the modules have run that define them.

    Args:
        targets: What the settings are about.
    """

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._declared: dict[Keys, tuple[ValueSlot, ValueExperiment]] = {}
        self._pins: list[tuple[ValueExperiment, Pin]] = []
        self._is_paused = False

    def declare(self, module: ModuleType, name: str, reads: Sequence[ReadSite]) -> None:
        """Put the values under experiment that stand in a module.

        Args:
            module: The module, which has run.
            name: The name by which the settings know it.
            reads: The reads in its code.

        Raises:
            SettingsError: If one is not there, or cannot be varied, with the place in the settings.
        """
        for keys, value in self._targets.values.items():
            if value.module == name:
                self._declare(keys, value, original_of(value, module, reads, self._refuse(keys)))

    def declared(self, keys: Keys) -> ValueExperiment | None:
        """Return the value of an entry, once it is under experiment."""
        found = self._declared.get(keys)
        return None if found is None else found[1]

    def stage(self, loaded: LoadedSettings) -> list[Change]:
        """Read and check what other settings that name the same values say of their configs; nothing changes.

        Args:
            loaded: The settings.

        Returns:
            The values whose configs are others, each with what it chooses from then.

        Raises:
            SettingsError: If they say what cannot be done.
        """
        changes: list[Change] = []
        for keys, entry in loaded.values():
            known = self.declared(keys)
            if known is None:  # Its module has not been imported.
                check_configs(keys, entry, loaded.origin)
                continue
            _, configs = _read(keys, entry, loaded.origin, known.original)
            if are_same(configs, known.unpinned.configs):
                continue
            try:
                declared = known.declare_anew(configs, known.settings.strategy)
            except SpearmintError as error:
                raise loaded.origin.error(str(error), (*keys, "configs")) from error
            _name_set(declared.split, loaded.origin)
            changes.append((known, declared))
        return changes

    def take_back(self) -> None:
        """Let all reads give what stands in the code."""
        self.resume()
        for slot, experiment in self._declared.values():
            experiment.is_released = True
            if slot.experiment is experiment:
                slot.experiment = None
        self._declared.clear()

    def pause(self) -> None:
        """Let every value, and those still to come, be its first config."""
        self._is_paused = True
        for _, experiment in self._declared.values():
            self._pin(experiment)

    def resume(self) -> None:
        """Let them be what the settings say."""
        self._is_paused = False
        while self._pins:
            experiment, pin = self._pins.pop()
            experiment.unpin(pin)

    def _pin(self, experiment: ValueExperiment) -> None:
        if all(one is not experiment for one, _ in self._pins):
            self._pins.append((experiment, experiment.pin(experiment.options[0])))

    def _refuse(self, keys: Keys) -> Any:
        origin = self._targets.origin
        return lambda message: origin.error(message, (*keys, "value"))

    def _declare(self, keys: Keys, value: ValueTarget, original: Any) -> None:
        origin = self._targets.origin
        entry = self._targets.loaded.settings.experiments[keys[1]]
        assert isinstance(entry, ValueEntry)  # noqa: S101 - these keys lead to one
        options, configs = _read(keys, entry, origin, original)
        try:
            settings = ExperimentSettings(**options)
            made = ValueExperiment(value.full_name, original, configs, settings, path=entry.path)
        except SpearmintError as error:
            raise origin.error(str(error), keys) from error
        keep_at_its_stage(made.split)
        registry.add(made)
        _name_set(made.split, origin)
        if not entry.enabled:
            switches.turn_off(made)
        slot = slot_of(value.full_name)
        slot.experiment = made
        self._declared[keys] = slot, made
        if self._is_paused:
            self._pin(made)


def _read(keys: Keys, entry: ValueEntry, origin: SettingsSource, original: Any) -> tuple[dict[str, Any], list[Config]]:
    """Return the options and the configs of a value, what stands in the code among them."""
    options, configs = read_options(entry, origin, keys)
    for config in configs:
        if problem := unfit(entry, original, config):
            raise origin.error(problem, (*keys, "configs"))
    return options, _with_original(entry.path, original, configs) if entry.original else configs


def _name_set(split: Split | None, origin: SettingsSource) -> None:
    if split is not None and origin.path is not None:
        split.set_id = str(origin.path)


def original_of(value: ValueTarget, module: ModuleType, reads: Sequence[ReadSite], refuse: Any) -> Any:
    """Return what stands in the code of a module for a value of it.

    Args:
        value: The value.
        module: Its module, which has run.
        reads: The reads in its code.
        refuse: Makes an error of a message.

    Raises:
        SettingsError: If it is not there, or is no value.
    """
    if value.literal is not None:
        if not any(one.kind == "literal" and one.path == value.full_name for one in reads):
            raise refuse(missing_literal(value))
        return value.literal.value
    held: Any = module
    known: Mapping[str, Any] = {}
    for part in value.name.split("."):
        known = getattr(held, "__dict__", {})
        held = known.get(part, _MISSING) if isinstance(held, type | ModuleType) else _MISSING
    if held is _MISSING:
        where = f"module {value.module!r}" if "." not in value.name else f"{value.name.rpartition('.')[0]!r}"
        close = did_you_mean(value.last_name, [name for name in known if not name.startswith("__")])
        raise refuse(f"Cannot vary {value.text!r}: {where} has no {value.last_name!r}.{close or ' Correct the name.'}")
    if kind := _no_value(held):
        advice = f"Write 'target: {value.text}' for its calls" if kind == "a function" else "Name a value in it"
        raise refuse(f"Cannot vary {value.text!r}: it is {kind}. {advice}.")
    rebound = next((one for one in reads if one.kind == "rebound" and one.path == value.dotted), None)
    if rebound is not None:
        raise refuse(rebound_message(value, rebound))
    return held


def rebound_message(value: ValueTarget, site: ReadSite) -> str:
    """Return what is said of a value that a function of its module binds anew."""
    return (
        f"Cannot vary {value.text!r}: {value.module}:{site.scope}, line {site.line}, binds it anew at run time, so "
        "that what stands in the code is not what is read. Vary what it is made of."
    )


def missing_literal(value: ValueTarget, others: Sequence[str] = ()) -> str:
    """Return what is said of a literal that is not there.

    Args:
        value: The literal.
        others: Names of literals that are there.
    """
    literal = value.literal
    assert literal is not None  # noqa: S101 - that is what is missing
    close = did_you_mean(value.name, others)
    return (
        f"Cannot vary {value.text!r}: {literal.function!r} of module {value.module!r} has no such literal in its own "
        "code. One in an annotation, in a default or in a decorator is read when the function is made, and one that "
        f"the compiler folds into another value is gone.{close or ' Correct it, or name the function around it.'}"
    )


def unfit(entry: ValueEntry, original: Any, config: Config) -> str | None:
    """Return why a config cannot be what a value becomes; None if it can.

    An int is taken for a float, and a bool not for an int; what lists and mappings hold is not looked at.

    Args:
        entry: The entry of the value.
        original: What stands in the code.
        config: The config.
    """
    try:
        value = look_up(config, entry.path) if entry.path else config
    except KeyError as error:
        return (
            f"Cannot vary {entry.value!r}: config {config.config_id!r} has nothing at {entry.path!r}: {error.args[0]}. "
            "Correct 'path', or the config."
        )
    kind = next((one for one in _CHECKED if type(original) is one), None)
    is_number = kind is float and type(value) is int
    if kind is None or is_number or (isinstance(value, kind) and isinstance(value, bool) == (kind is bool)):
        return None
    hint = f" Say where it stands in the config: 'path: {next(iter(config))}'." if not entry.path and config else ""
    at = f" at {entry.path!r}" if entry.path else ""
    return (
        f"Cannot vary {entry.value!r}: it is of type {kind.__name__}, and config {config.config_id!r} has a value of "
        f"type {type(value).__name__}{at}.{hint or ' Give one of the same type.'}"
    )


def _with_original(path: str, original: Any, configs: Sequence[Config]) -> list[Config]:
    """Return the configs behind the one that leaves a value as it stands, without another that says the same."""
    content: Any = original
    for key in reversed(path.split(".")) if path else ():
        content = {key: content}
    first = assemble(content if isinstance(content, Mapping) else {})
    give_id(first, ORIGINAL)
    others = [one for one in configs if not (type(one) is Config and one == first and _is_same(path, one, original))]
    return [first, *others]


def _is_same(path: str, config: Config, original: Any) -> bool:
    return type(look_up(config, path) if path else config) is type(original)


def _no_value(held: Any) -> str | None:
    if isinstance(held, ModuleType):
        return "a module"
    if isinstance(held, type):
        return "a class"
    return "a function" if inspect.isroutine(held) or isinstance(held, property) else None
