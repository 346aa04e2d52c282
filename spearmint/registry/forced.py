"""Configs that people force on experiments, to see what a config looks like: no variants, no exposures."""

import os
from collections.abc import Mapping
from fnmatch import fnmatchcase

from spearmint.errors import DeclarationError
from spearmint.registry.experiment import ExperimentFunction
from spearmint.suggest import did_you_mean
from spearmint.warn import warn_once

_VARIABLE = "SPEARMINT_FORCE"


def parse_forced(text: str, source: str) -> dict[str, str]:
    """Return what a text such as ``"shop.rank:score=large"`` forces: from targets to ids of configs.

    Args:
        text: Targets, in which ``*`` stands for any text, each with the id of a config; several with commas between.
        source: Where it stands, for the error.

    Raises:
        DeclarationError: If it reads otherwise.
    """
    found = {}
    for item in filter(None, map(str.strip, text.split(","))):
        target, equals, config_id = item.rpartition("=")
        if not equals or not target.strip() or not config_id.strip():
            message = (
                f"Cannot read {item!r} in {source}: it is no target with a config. Write 'pkg.mod:name=config_id'."
            )
            raise DeclarationError(message)
        found[target.strip()] = config_id.strip()
    return found


def forced_id(forced: Mapping[str, str], experiment: ExperimentFunction) -> str | None:
    """Return the id of the config that is forced on an experiment, None for none; of an id that it lacks, warn once."""
    wanted = next((one for target, one in forced.items() if fnmatchcase(experiment.name, target)), None)
    if wanted is None:
        return None
    ids = [option.config_id for option in experiment.unpinned.options]
    if wanted in ids:
        return wanted
    hint = did_you_mean(wanted, ids) or f" Give some of {', '.join(map(repr, ids[:10])) or 'none: it has no configs'}."
    message = (
        f"Cannot force {wanted!r} on {experiment.name}, which runs as if it were not: it has no such config.{hint}"
    )
    warn_once(("force", experiment.name, wanted), message)
    return None


class ForcedByEnvironment:
    """What the environment variable ``SPEARMINT_FORCE`` forces in this process."""

    def __init__(self) -> None:
        self._text = os.environ.get(_VARIABLE, "")

    def register(self, experiment: ExperimentFunction) -> None:
        """Force its config on an experiment that was just declared, if there is one for it.

        Raises:
            DeclarationError: If the variable reads otherwise than ``"target=config_id"``.
        """
        if self._text:
            wanted = forced_id(parse_forced(self._text, _VARIABLE), experiment)
            if wanted is not None:
                experiment.pin(wanted)

    def id_of(self, experiment: ExperimentFunction) -> str | None:
        """Return the id of the config that is forced on an experiment; None for none."""
        return forced_id(parse_forced(self._text, _VARIABLE), experiment) if self._text else None


forced_by_environment = ForcedByEnvironment()
"""The one of the process."""
