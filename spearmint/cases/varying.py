"""In which of their parameters the configs of an experiment differ."""

import weakref
from collections.abc import Sequence
from typing import Any

from spearmint.cases.bound_config import BoundConfig
from spearmint.cases.edge import ExperimentRef
from spearmint.config.flatten import differing_paths, flatten

_known: "weakref.WeakKeyDictionary[ExperimentRef, tuple[Any, frozenset[BoundConfig], list[str]]]"
_known = weakref.WeakKeyDictionary()


def varying_paths_of(experiment: ExperimentRef, given: Sequence[BoundConfig]) -> list[str]:
    """Return the paths at which not all configs of an experiment hold the same.

    Args:
        experiment: The experiment, for whose own configs they are found once.
        given: The configs that a plan has of it, which may be others.
    """
    options = experiment.options
    known = _known.get(experiment)
    if known is None or known[0] is not options:
        known = _known[experiment] = options, frozenset(options), _differing(options)
    others = [option for option in given if option not in known[1]]
    return _differing((*options, *others)) if others else known[2]


def _differing(options: Sequence[BoundConfig]) -> list[str]:
    return differing_paths(flatten(option.config) for option in options)
