"""The kill switch: experiments that are off run under their first config, without variants or exposures."""

import os
import weakref
from collections.abc import Callable
from fnmatch import fnmatchcase

from spearmint.cases.versions import versions
from spearmint.errors import DeclarationError
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.pin import Pin

_VARIABLE = "SPEARMINT_OFF"


class Switches:
    """Which experiments are off, those that are still to be declared included.

    Attributes:
        settle: Makes the experiments that are made at the first look at them; None where there are none.
    """

    def __init__(self) -> None:
        self.settle: Callable[[], object] | None = None
        self._rules: dict[str, bool] = {}
        self._known: weakref.WeakSet[ExperimentFunction] = weakref.WeakSet()
        self._pins: weakref.WeakKeyDictionary[ExperimentFunction, Pin] = weakref.WeakKeyDictionary()
        for target in os.environ.get(_VARIABLE, "").split(","):
            if target.strip():
                self._rules[target.strip()] = False

    def register(self, experiment: ExperimentFunction) -> None:
        """Switch an experiment that was just declared off, if it is to be."""
        self._known.add(experiment)
        with versions.lock:  # Another thread may switch it on meanwhile, and has the last word.
            if not self.is_on(experiment.name):
                self.turn_off(experiment)

    def is_on(self, name: str) -> bool:
        """Tell whether an experiment of a name is on: the last word about it counts."""
        found = [is_on for target, is_on in list(self._rules.items()) if fnmatchcase(name, target)]
        return found[-1] if found else True

    def switch(self, target: str, *, is_on: bool) -> int:
        """Switch experiments, and return how many there are of that name now.

        Raises:
            DeclarationError: If the target is no text.
        """
        if not isinstance(target, str) or not target:
            message = f"Cannot switch {target!r}: it is no target. Give a name or a glob, such as 'shop.rank:*'."
            raise DeclarationError(message)
        if self.settle is not None:
            self.settle()
        with versions.lock:
            self._rules.pop(target, None)
            self._rules[target] = is_on
            matching = [one for one in list(self._known) if fnmatchcase(one.name, target)]
            for experiment in matching:
                if is_on:
                    self.turn_on(experiment)
                else:
                    self.turn_off(experiment)
        return len({experiment.name for experiment in matching})

    def turn_off(self, experiment: ExperimentFunction) -> None:
        """Let an experiment, and its further declarations, run under its first config."""
        with versions.lock:
            for one in (experiment, *experiment.copies):
                if one not in self._pins and one.configs:  # One without configs runs under its caller's.
                    self._pins[one] = one.pin()

    def turn_on(self, experiment: ExperimentFunction) -> None:
        """Let an experiment choose again, after `turn_off`."""
        with versions.lock:
            own = self._pins.get(experiment)
            for one in (experiment, *experiment.copies):
                # A declaration that was copied while it was off has the pin of the first.
                for pin in (self._pins.pop(one, None), own):
                    if pin is not None:
                        one.unpin(pin)


switches = Switches()
"""The switches of the process."""


def disable(target: str) -> int:
    """Switch experiments off, at once and in this process: the first config, no variants, no exposures.

    It holds for references that frameworks keep, too, and for experiments that are declared later. Calls that are under
    way end as they began. The environment variable ``SPEARMINT_OFF`` does the same from the start, with targets
    separated by commas; ``enabled: false`` in a settings file does it for one entry.

    Args:
        target: The name of an experiment, ``"module:qualified.name"``, or a glob, in which ``*`` stands for any text.

    Returns:
        How many experiments of such names are declared so far.

    Raises:
        DeclarationError: If it is no text.
    """
    return switches.switch(target, is_on=False)


def enable(target: str) -> int:
    """Switch experiments on again; otherwise as `disable`."""
    return switches.switch(target, is_on=True)
