"""Experiments that cloudpickle pickles by value, as those of a script or notebook, stay experiments.

cloudpickle takes what looks like a function apart, which would leave the configs behind. It offers no place to say
otherwise for functions, so that its picklers are taught here, in every copy that a library brings along.
"""

import sys
from typing import Any, NamedTuple

from spearmint.registry.experiment import ExperimentFunction, ProxyBase
from spearmint.registry.registry import registry
from spearmint.registry.settings import ExperimentSettings
from spearmint.warn import warn_once

COPIES = (
    "cloudpickle.cloudpickle",  # Dask's, joblib's and MLflow's too
    "joblib.externals.cloudpickle.cloudpickle",
    "ray.cloudpickle.cloudpickle",
    "pyspark.cloudpickle.cloudpickle",
)
_TAUGHT = "_spearmint_reduces"


class PickledExperiment(NamedTuple):
    """What makes an experiment of a function again.

    Attributes:
        function: The function.
        configs: Its configs, the same list as of other experiments that share it.
        settings: How it is run.
        has_own_configs: Whether the configs were given for this function alone.
    """

    function: Any
    configs: Any
    settings: ExperimentSettings
    has_own_configs: bool


def teach_picklers() -> None:
    """Have the copies of cloudpickle that are imported pickle experiments as experiments."""
    for name in COPIES:
        module = sys.modules.get(name)
        pickler = getattr(module, "Pickler", None)
        if pickler is not None and _TAUGHT not in vars(pickler):
            _teach(module, pickler)


def tell_if_untaught(caller: str) -> None:
    """Warn if a pickler that was imported after the last experiment is taking one apart; it is taught from now on.

    Args:
        caller: Name of the module that looks into the function.
    """
    if caller in COPIES and _TAUGHT not in vars(sys.modules[caller].__dict__["Pickler"]):
        teach_picklers()
        warn_once(
            tell_if_untaught,
            "An experiment was pickled by value without its configs: cloudpickle was imported after it was declared. "
            "Import what brings it (joblib, Ray, Spark) first.",
        )


def _teach(module: Any, pickler: Any) -> None:
    reduce_plainly = pickler.reducer_override

    def reducer_override(self: Any, obj: Any) -> Any:
        made = reduce_plainly(self, obj)
        is_by_value = made is not NotImplemented and issubclass(type(obj), ProxyBase)
        return _reduced(obj, module) or made if is_by_value else made

    pickler.reducer_override = reducer_override
    setattr(pickler, _TAUGHT, True)


def _reduced(proxy: Any, module: Any) -> Any:
    """Return how to pickle an experiment; None where it is to be pickled as the function, which is then told."""
    experiment: ExperimentFunction = proxy._self_experiment  # noqa: SLF001 - wrapt keeps that prefix to the proxy
    if experiment.is_released:
        return None
    parts = (experiment.configs, experiment.settings, experiment.has_own_configs)
    try:
        module.dumps(parts)
    except Exception as error:  # noqa: BLE001 - whatever a strategy or callback does not like about it
        message = (
            f"{experiment.name} is pickled by value, and runs without its configs where it is unpickled, since they or "
            f"its settings cannot be pickled ({type(error).__name__}: {error}). Put it into a module that is imported."
        )
        warn_once((_reduced, experiment.name), message)
        return None
    # The proxy comes first, empty: the globals of its function may hold it.
    return _empty, (type(proxy),), PickledExperiment(experiment.function, *parts), None, None, _fill


def _empty(kind: Any) -> Any:
    return kind.__new__(kind)


def _fill(proxy: Any, state: PickledExperiment) -> None:
    experiment = ExperimentFunction(
        state.function, state.configs, state.settings, has_own_configs=state.has_own_configs
    )
    registry.add(experiment)
    proxy.__init__(state.function, experiment)
