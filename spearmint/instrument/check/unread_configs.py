"""Keys in which the configs of an entry differ and that none of its bindings takes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from spearmint.instrument.naming.static_modules import StaticDefinition
from spearmint.instrument.settings.model import EntryOptions, ExperimentEntry
from spearmint.registry.unread_keys import varying_paths
from spearmint.suggest import did_you_mean

_WHOLE = "config"  # a parameter of this name gets the whole config


def unread_config_keys(
    entry: ExperimentEntry,
    configs: Sequence[Mapping[str, Any]],
    matched: Sequence[StaticDefinition],
    inheriting: Sequence[EntryOptions],
) -> Iterator[str]:
    """Yield a message for each key that varies and reaches no parameter, where the settings alone say what does.

    Args:
        entry: The entry, which has bindings.
        configs: Its configs.
        matched: The functions that it is about.
        inheriting: The entries without configs, whose functions run under those of their callers.
    """
    paths = [one.path for each in (entry, *inheriting) for one in each.bindings.values() if one is not None]
    if not entry.bindings or "" in paths or any(_WHOLE in one.parameters for one in matched):
        return
    for key in varying_paths(configs):
        if not any(key == path or key.startswith(f"{path}.") or path.startswith(f"{key}.") for path in paths):
            hint = did_you_mean(key, paths)
            cause = f"The configs of {entry.target!r} differ in {key!r}, which no binding takes"
            yield f"{cause}: it makes no difference. Bind it, or take it out.{hint}"
