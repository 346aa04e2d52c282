"""What the experiments of one entry of the settings share: its configs and its strategy, read and checked."""

from collections.abc import Iterator, Sequence
from typing import Any

from spearmint.api import Spearmint
from spearmint.config import Config, parse_configs
from spearmint.config.paths import look_up
from spearmint.errors import SettingsError, SpearmintError
from spearmint.instrument.settings.model import EntryOptions, PackageEntry, StrategyEntry
from spearmint.instrument.settings.origin import SettingsSource, raise_combined
from spearmint.registry.settings import ExperimentSettings, changed_settings
from spearmint.strategies.by_name import import_named, strategy_by_name


def instance_of(keys: tuple[str, int], entry: EntryOptions, origin: SettingsSource) -> Spearmint:
    """Make what the experiments of an entry share.

    Args:
        keys: Where the entry stands in the settings.
        entry: The entry.
        origin: Where the settings come from.

    Raises:
        SettingsError: If configs cannot be read, or a strategy or callback cannot be imported or made.
    """
    options, configs = read_options(entry, origin, keys)
    try:
        made = Spearmint(configs=configs, **options)
    except SpearmintError as error:
        raise origin.error(str(error), (*keys, "tracing")) from error
    raise_combined(list(unresolvable_bindings(origin, keys, entry, configs)))
    return made


def read_options(
    entry: EntryOptions, origin: SettingsSource, keys: tuple[Any, ...]
) -> tuple[dict[str, Any], list[Config]]:
    """Read what an entry says of how its experiments are run: the options of `spearmint.Spearmint`, and the configs.

    Args:
        entry: The entry.
        origin: Where the settings come from.
        keys: Where the entry stands in them.

    Raises:
        SettingsError: If a strategy or callback cannot be imported, or a config not be read.
    """
    options = entry.given
    key = "strategy"
    try:
        if entry.strategy is not None:
            options["strategy"] = _strategy(entry)
        for key in ("on_variant_error", "compare"):
            callback: Any = getattr(entry, key)
            if callback is not None:
                options[key] = import_named(callback) if isinstance(callback, str) else callback
        key = "metrics"
        if entry.metrics is not None:
            options[key] = [import_named(one) if isinstance(one, str) else one for one in entry.metrics]
            changed_settings(ExperimentSettings(), {key: options[key]})
        key = "configs"
        return options, configs_of(entry, origin)
    except SpearmintError as error:
        raise origin.error(str(error), (*keys, key)) from error


def configs_of(entry: EntryOptions, origin: SettingsSource) -> list[Config]:
    """Return the configs of an entry.

    Raises:
        ConfigError: If they cannot be read.
    """
    return parse_configs(entry.configs or [], relative_to=origin.folder)


def check_configs(keys: tuple[str, int], entry: EntryOptions, origin: SettingsSource) -> None:
    """Read the configs of an entry that no function belongs to yet.

    Raises:
        SettingsError: If they cannot be read.
    """
    try:
        configs_of(entry, origin)
    except SpearmintError as error:
        raise origin.error(str(error), (*keys, "configs")) from error


def name_of_entry(entry: EntryOptions) -> str:
    """Return what an entry is about: a target, or the name of a package."""
    return entry.name if isinstance(entry, PackageEntry) else getattr(entry, "target", "")


def unresolvable_bindings(
    origin: SettingsSource, keys: tuple[Any, ...], entry: EntryOptions, configs: Sequence[Config]
) -> Iterator[SettingsError]:
    """Yield an error for each binding whose path leads nowhere in any config, so that it would never bind a thing.

    Args:
        origin: Where the settings come from.
        keys: Where the entry stands in them.
        entry: The entry.
        configs: Its configs; without any, what its functions run under is not known.
    """
    for parameter, binding in entry.bindings.items():
        if binding is None or not configs:
            continue
        missing = [cause for config in configs if (cause := _missing(config, binding.path))]
        if len(missing) == len(configs):
            message = (
                f"Cannot bind {parameter!r} to {binding.path!r}: no config has it; in the first one, {missing[0]}. "
                "Correct the path, or add it to a config."
            )
            yield origin.error(message, (*keys, "bindings", parameter))


def _missing(config: Config, path: str) -> str | None:
    try:
        look_up(config, path)
    except KeyError as error:
        cause: str = error.args[0]
        return cause
    return None


def _strategy(entry: EntryOptions) -> Any:
    choice: Any = entry.strategy
    return strategy_by_name(choice.use, entry.strategy_arguments) if isinstance(choice, StrategyEntry) else choice
