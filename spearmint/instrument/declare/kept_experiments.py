"""Experiments that the settings have made, also those of which only the program still holds a reference."""

import weakref
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from spearmint.proxy.proxy import ExperimentProxy, plain_function
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.pin import Pin

_CALL: Any = ExperimentProxy.__dict__["__call__"]


class KeptExperiments:
    """Proxies, each with the place where it was declared. It keeps none of them alive.

    They are told apart by identity: two around one function are equal.
    """

    def __init__(self) -> None:
        self._held: dict[int, tuple[weakref.ref[ExperimentProxy], str, str]] = {}

    def add(self, proxy: ExperimentProxy, module: str, name: str) -> None:
        """Hold a proxy.

        Args:
            proxy: The proxy.
            module: The name of the module by which the settings know it.
            name: The numbered qualified name of the function.
        """
        key = id(proxy)
        self._held[key] = weakref.ref(proxy, lambda _: self._held.pop(key, None)), module, name

    def discard(self, proxy: ExperimentProxy) -> None:
        """Hold a proxy no longer."""
        self._held.pop(id(proxy), None)

    def __contains__(self, proxy: object) -> bool:
        return id(proxy) in self._held

    def __iter__(self) -> Iterator[tuple[ExperimentProxy, str, str]]:
        for reference, module, name in list(self._held.values()):
            proxy = reference()
            if proxy is not None:
                yield proxy, module, name


released = KeptExperiments()
"""Those whose installation has been taken back, and that the program may have kept, such as in a table of routes."""


class Pause:
    """While it holds, experiments run under their first config, without variants."""

    def __init__(self) -> None:
        self._pins: dict[int, tuple[ExperimentFunction, Pin]] = {}
        self.holds = False

    def add(self, proxy: ExperimentProxy) -> None:
        """Pause one experiment; one without configs runs under its caller's, which is paused itself."""
        experiment = proxy._self_experiment  # noqa: SLF001 - wrapt keeps attributes of that prefix to the proxy
        if experiment.configs and id(experiment) not in self._pins:
            self._pins[id(experiment)] = experiment, experiment.pin()

    def end(self) -> None:
        """Let them choose as they did."""
        self.holds = False
        while self._pins:
            _, (experiment, pin) = self._pins.popitem()
            experiment.unpin(pin)


def release(proxy: ExperimentProxy) -> None:
    """Let an experiment that the program may have kept call its function from now on, as if it were none."""
    proxy._self_experiment.is_released = True  # noqa: SLF001 - as above
    _CALL.__set__(proxy, plain_function(proxy))


def revive(proxy: ExperimentProxy, made: ExperimentProxy) -> None:
    """Let a released proxy be the experiment that has been made of its function since."""
    call: FunctionType = _CALL.__get__(made, type(made))
    made._self_experiment.proxies.append(weakref.ref(proxy))  # noqa: SLF001 - as above
    proxy._self_experiment = made._self_experiment  # noqa: SLF001
    _CALL.__set__(proxy, call)
