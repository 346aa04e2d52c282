"""What settings say of the configs of a value, as far as they can be read before its module is imported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from spearmint.config import Config
from spearmint.config.paths import look_up
from spearmint.errors import SpearmintError
from spearmint.instrument.declare.instances import read_options
from spearmint.instrument.settings.model import ValueEntry
from spearmint.instrument.settings.origin import SettingsSource

_TAKEN_FOR: Mapping[type, frozenset[type]] = {
    **{kind: frozenset({kind}) for kind in (str, int, bool)},
    float: frozenset({float, int}),
}


@dataclass(frozen=True, slots=True)
class ValueReading:
    """What one entry says, read when it is installed.

    Attributes:
        entry: The entry.
        options: The options of its experiment.
        configs: Its configs.
        kinds: The types of what the value becomes.
    """

    entry: ValueEntry
    options: Mapping[str, Any]
    configs: Sequence[Config]
    kinds: frozenset[type]

    def is_fit_for(self, original: Any) -> bool:
        """Tell whether the configs are known to fit what stands in the code, so that the experiment can wait."""
        taken = _TAKEN_FOR.get(type(original))
        return taken is not None and self.kinds <= taken


def read_early(keys: tuple[str, int], entry: ValueEntry, origin: SettingsSource) -> ValueReading | None:
    """Read an entry that says all in its place, without strategy; None where its module is to be waited for.

    What is wrong with it is told when its module is imported.

    Args:
        keys: Where the entry stands in the settings.
        entry: The entry.
        origin: Where the settings come from.
    """
    is_plain = entry.strategy is None and entry.enabled and not entry.stages and not entry.guardrails
    configs = entry.configs or ()
    if not is_plain or not configs or not all(isinstance(one, Mapping) for one in configs):
        return None
    try:
        options, read = read_options(entry, origin, keys)
        kinds = frozenset(type(look_up(one, entry.path) if entry.path else one) for one in read)
    except (SpearmintError, KeyError):
        return None
    return ValueReading(entry, options, read, kinds)
