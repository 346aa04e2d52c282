"""From a value that a settings file names to the experiment that it becomes."""

from collections.abc import Iterable, Mapping, Sequence
from types import CodeType, ModuleType
from typing import Any

from spearmint.config import Config
from spearmint.config.model import assemble, give_id
from spearmint.config.paths import look_up
from spearmint.config_files import are_same
from spearmint.errors import SpearmintError
from spearmint.instrument.declare.instances import check_configs, read_options
from spearmint.instrument.declare.value_originals import is_among, not_bound, original_of, unfit
from spearmint.instrument.declare.value_readings import ValueReading, read_early
from spearmint.instrument.rewrite.result import ReadSite
from spearmint.instrument.settings.load import LoadedSettings
from spearmint.instrument.settings.matching import Targets
from spearmint.instrument.settings.model import ValueEntry
from spearmint.instrument.settings.origin import SettingsSource
from spearmint.instrument.settings.value_target import ValueTarget
from spearmint.online.steering import keep_at_its_stage
from spearmint.planning.value_slots import ValueSlot, slot_of
from spearmint.registry.changes import Change
from spearmint.registry.later import Later
from spearmint.registry.pin import Pin
from spearmint.registry.registry import registry
from spearmint.registry.settings import ExperimentSettings
from spearmint.registry.switches import switches
from spearmint.registry.value import ORIGINAL, ValueExperiment
from spearmint.strategies.split import Split

Keys = tuple[str, int]


class ValueDeclarations:
    """Puts values under experiment as the settings say, once the modules have run that define them.

    Args:
        targets: What the settings are about.
    """

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._by_module: dict[str, list[tuple[Keys, ValueTarget]]] = {}
        for keys, value in targets.values.items():
            self._by_module.setdefault(value.module, []).append((keys, value))
        readings = {keys: read_early(keys, entry, targets.origin) for keys, entry in targets.loaded.values()}
        self._readings = {keys: reading for keys, reading in readings.items() if reading is not None}
        self._later: list[Later] = []
        self._slots: list[ValueSlot] = []
        self._declared: dict[Keys, ValueExperiment] = {}
        self._pins: list[tuple[ValueExperiment, Pin]] = []
        self._is_paused = False

    def declare(
        self, module: ModuleType, name: str, reads: Sequence[ReadSite], *, leaves_literals: bool = False
    ) -> None:
        """Put the values under experiment that stand in a module.

        Args:
            module: The module, which has run.
            name: The name by which the settings know it.
            reads: The reads in its code that are followed.
            leaves_literals: Whether literals that are not among them stay as they are, since the code was not rewritten
                for these settings.

        Raises:
            SettingsError: If one is not there, or cannot be varied, with the place in the settings.
        """
        self._declare(
            (keys, value, original_of(value, module, reads, self._refuse(keys)))
            for keys, value in self._by_module.get(name, ())
            if not (leaves_literals and value.literal is not None and not is_among(value, reads))
        )

    def expect(self, code: CodeType, name: str, reads: Sequence[ReadSite]) -> set[str]:
        """Put the literals of a main module under experiment, before it runs, and look for its other values.

        Args:
            code: The code of the module.
            name: The name by which the settings know it.
            reads: The reads in its code.

        Returns:
            The names that `declare_bound` is to be called with, as the module binds them.

        Raises:
            SettingsError: If its code binds no such name, or imports it.
        """
        here = self._by_module.get(name, ())
        for keys, value in here:
            if value.literal is not None:
                self._declare([(keys, value, original_of(value, ModuleType(name), reads, self._refuse(keys)))])
            elif problem := not_bound(value, code):
                raise self._refuse(keys)(problem)
        return {value.root_name for _, value in here if value.literal is None}

    def declare_bound(self, module: str, name: str, held: Any, reads: Sequence[ReadSite]) -> None:
        """Put the values under experiment that a main module has just bound.

        Args:
            module: The name by which the settings know the module.
            name: The name that it has bound.
            held: What to.
            reads: The reads in its code.

        Raises:
            SettingsError: As for `declare`.
        """
        so_far = ModuleType(module)
        setattr(so_far, name, held)
        for keys, value in self._by_module.get(module, ()):
            if value.literal is None and value.root_name == name:
                self._declare([(keys, value, original_of(value, so_far, reads, self._refuse(keys)))])

    def declared(self, keys: Keys) -> ValueExperiment | None:
        """Return the value of an entry, once it is under experiment."""
        for later in self._later:
            later.settle()
        self._later.clear()
        return self._declared.get(keys)

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
            _, given = _read(keys, entry, loaded.origin, known.original)
            configs = _with_original(entry.path, known.original, given) if entry.original else given
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
        for later in self._later:
            later.release()
        declared = frozenset(self._declared.values())
        for experiment in declared:
            experiment.is_released = True
        for slot in self._slots:
            if slot.later in self._later:
                slot.later = None
            if slot.experiment in declared:
                slot.experiment = None
        self._later.clear()
        self._slots.clear()
        self._declared.clear()

    def pause(self) -> None:
        """Let every value, and those still to come, be its first config."""
        self._is_paused = True
        for experiment in self._declared.values():
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

    def _declare(self, found: Iterable[tuple[Keys, ValueTarget, Any]]) -> None:
        """Put values under experiment: later, where nothing can be wrong with that any more."""
        origin, entries = self._targets.origin, self._targets.loaded.settings.experiments
        waiting = []
        for keys, value, original in found:
            entry = entries[keys[1]]
            assert isinstance(entry, ValueEntry)  # noqa: S101 - these keys lead to one
            slot = slot_of(value.full_name)
            if slot.later is not None:  # What other settings have declared under this name stands behind this.
                slot.later.settle()
            self._slots.append(slot)
            early = self._readings.get(keys)
            if early is not None and early.entry is entry and early.is_fit_for(original):
                waiting.append((keys, slot, early, original))
            else:
                options, configs = _read(keys, entry, origin, original)
                self._make(keys, slot, ValueReading(entry, options, configs, frozenset()), original)
        if waiting:
            later = Later(self._make, waiting)
            self._later.append(later)
            for _, slot, _, _ in waiting:
                slot.experiment, slot.later = None, later
            registry.add_later(later)

    def _make(self, keys: Keys, slot: ValueSlot, reading: ValueReading, original: Any) -> None:
        origin, entry = self._targets.origin, reading.entry
        configs = _with_original(entry.path, original, reading.configs) if entry.original else reading.configs
        try:
            settings = ExperimentSettings(**reading.options)
            made = ValueExperiment(slot.name, original, configs, settings, path=entry.path)
        except SpearmintError as error:
            raise origin.error(str(error), keys) from error
        keep_at_its_stage(made.split)
        registry.add(made)
        _name_set(made.split, origin)
        if not entry.enabled:
            switches.turn_off(made)
        slot.experiment = made
        self._declared[keys] = made
        if self._is_paused:
            self._pin(made)


def _read(keys: Keys, entry: ValueEntry, origin: SettingsSource, original: Any) -> tuple[dict[str, Any], list[Config]]:
    """Return the options and the configs of a value, without what stands in the code."""
    options, configs = read_options(entry, origin, keys)
    for config in configs:
        if problem := unfit(entry, original, config):
            raise origin.error(problem, (*keys, "configs"))
    return options, configs


def _name_set(split: Split | None, origin: SettingsSource) -> None:
    if split is not None and origin.path is not None:
        split.set_id = str(origin.path)


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
