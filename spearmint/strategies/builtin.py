"""Strategies: pure choices of a main config and its variants. They call, start and await nothing."""

import functools
import inspect
import itertools
import random
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Literal, Protocol, Self, runtime_checkable

from spearmint.config.model import Config
from spearmint.errors import StrategyError
from spearmint.redaction import redactor
from spearmint.strategies.bandit import BanditStrategy
from spearmint.strategies.split import SplitStrategy
from spearmint.suggest import did_you_mean

Choice = tuple[Config, Sequence[Config]]
Start = Literal["after_main", "with_main"]


@runtime_checkable
class Strategy(Protocol):
    """What chooses among the configs of an experiment, once per call.

    A plain function will do. A second positional parameter, where there is one, gets the attributes of the
    `spearmint.context.RuntimeContext` around the call, as a read-only mapping.

    A strategy may also say, as attributes, how its choice is to be run:

    * ``start``: ``"after_main"`` (default) or ``"with_main"``, when the variants start.
    * ``collects``: True when a call returns `spearmint.results.ExperimentResults` with every outcome. Default False.
    * ``is_constant``: True when it chooses the same each time, so that it need be asked only once. Default False.
    * ``per_function()``: gives each experiment a strategy with state of its own, when one instance serves several.
    * ``for_experiment(name, configs)``: gives each experiment that has configs a strategy that knows both.
    """

    def __call__(self, configs: list[Config], /) -> Choice:
        """Return the main config and the variants, all of them taken from ``configs``."""


class SingleConfigStrategy:
    """The first config is main; there are no variants."""

    @property
    def is_constant(self) -> bool:
        """Whether no subclass chooses otherwise."""
        return type(self).__call__ is SingleConfigStrategy.__call__

    def __call__(self, configs: list[Config], /) -> Choice:
        """Return the first config and no variants."""
        return configs[0], ()


class ShadowStrategy:
    """The first config is main; all others run beside it, unseen by the caller.

    Args:
        start: ``"after_main"`` starts the variants when main has ended, so that they take nothing from it;
            ``"with_main"`` starts them together.
        sample_rate: Share of the calls, from 0 to 1, that run variants at all.

    Raises:
        StrategyError: If an argument is none of these.
    """

    def __init__(self, *, start: Start = "after_main", sample_rate: float = 1.0) -> None:
        if start not in ("after_main", "with_main"):
            message = f"Cannot start variants {start!r}: it is no known moment. Give 'after_main' or 'with_main'."
            raise StrategyError(message)
        if not isinstance(sample_rate, int | float) or not 0 <= sample_rate <= 1:
            message = f"Cannot sample {sample_rate!r} of the calls: it is no share. Give a number from 0 to 1."
            raise StrategyError(message)
        self.start = start
        self.sample_rate = sample_rate

    @property
    def is_constant(self) -> bool:
        """Whether every call is sampled, and no subclass chooses otherwise."""
        return self.sample_rate >= 1 and type(self).__call__ is ShadowStrategy.__call__

    def __call__(self, configs: list[Config], /) -> Choice:
        """Return the first config, and all others if this call is sampled."""
        # Sampling calls for statistics, not secrets.
        if self.sample_rate >= 1 or random.random() < self.sample_rate:  # noqa: S311
            return configs[0], configs[1:]
        return configs[0], ()


class MultiBranchStrategy:
    """Every config runs, all at once, and the caller gets every outcome as `spearmint.results.ExperimentResults`."""

    start: ClassVar[Start] = "with_main"
    collects: ClassVar[bool] = True

    @property
    def is_constant(self) -> bool:
        """Whether no subclass chooses otherwise."""
        return type(self).__call__ is MultiBranchStrategy.__call__

    def __call__(self, configs: list[Config], /) -> Choice:
        """Return the first config and all others."""
        return configs[0], configs[1:]


class RoundRobinStrategy:
    """Each call takes the next config; there are no variants. Every experiment counts for itself."""

    def __init__(self) -> None:
        self._turns = itertools.count()

    def per_function(self) -> Self:
        """Return a strategy of this class that counts from the first config."""
        return type(self)()

    def __call__(self, configs: list[Config], /) -> Choice:
        """Return the config whose turn it is, and no variants."""
        # `next` on a count is one step that no other thread can come between.
        return configs[next(self._turns) % len(configs)], ()


BUILT_IN: Mapping[str, type[Strategy]] = {
    "single": SingleConfigStrategy,
    "shadow": ShadowStrategy,
    "multi_branch": MultiBranchStrategy,
    "round_robin": RoundRobinStrategy,
    "split": SplitStrategy,
    "bandit": BanditStrategy,
}


def prepare_strategy(strategy: Any, function: str, configs: Sequence[Config] = ()) -> Callable[..., Choice]:
    """Return the strategy that one experiment asks, with state of its own.

    Args:
        strategy: A strategy's class, an instance, a plain function, or the name of a built-in one: ``"shadow"``.
        function: Name of the experiment's function.
        configs: The experiment's configs.

    Returns:
        A callable strategy.

    Raises:
        StrategyError: If it is no strategy, a class cannot be made without arguments, or it does not fit the configs.
    """
    if isinstance(strategy, str):
        strategy = _built_in(strategy, function)
    is_class = isinstance(strategy, type)
    make = strategy if is_class else getattr(strategy, "per_function", None)
    if make is not None:
        try:
            strategy = make()
        except Exception as error:
            advice = "Give an instance instead of the class." if is_class else "Fix its per_function()."
            message = (
                f"Cannot make strategy {_label(strategy)} for {function}: {type(error).__name__}: {error}. {advice}"
            )
            raise StrategyError(message) from error
    compiles = getattr(strategy, "for_experiment", None)
    if compiles is not None and configs:
        strategy = compiles(function, configs)
    if not callable(strategy):
        raise _no_strategy(strategy, function, "it cannot be called")
    made: Callable[..., Choice] = strategy
    _check_signature(made, function)
    return made


def _built_in(name: str, function: str) -> type[Strategy]:
    found = BUILT_IN.get(name)
    if found is None:
        similar = did_you_mean(name.removesuffix("Strategy").replace("-", "_"), BUILT_IN)
        known = ", ".join(map(repr, BUILT_IN))
        message = f"there is none of that name. Give {known}, or a class, an instance or a function.{similar}"
        raise StrategyError(f"Cannot use {name!r} as the strategy of {function}: {message}")
    return found


def _check_signature(strategy: Callable[..., Choice], function: str) -> None:
    """Refuse what cannot be called with configs, or with configs and attributes."""
    if inspect.isbuiltin(strategy) and strategy.__module__ in sys.stdlib_module_names:
        raise _no_strategy(strategy, function, "it is a builtin function, which knows nothing of configs")
    signature = _signature_of(strategy)
    if signature is None:
        return
    try:
        signature.bind(*[()] * (2 if takes_attributes(strategy) else 1))
    except TypeError as error:
        cause = f"it cannot be called with a list of configs ({error})"
        raise _no_strategy(strategy, function, cause) from error


def _no_strategy(strategy: Any, function: str, cause: str) -> StrategyError:
    return StrategyError(
        f"Cannot use {strategy!r} as the strategy of {function}: {cause}. "
        "Give a class such as ShadowStrategy, an instance, or a function of the configs."
    )


def unwrap_call(strategy: Callable[..., Choice]) -> Callable[..., Choice]:
    """Return what calls a strategy with the fewest steps: a bound method costs less than an instance that is called."""
    call = inspect.getattr_static(type(strategy), "__call__", None)
    return types.MethodType(call, strategy) if isinstance(call, types.FunctionType) else strategy


def takes_attributes(strategy: Callable[..., Choice]) -> bool:
    """Tell whether a strategy has a second positional parameter, which gets the context's attributes."""
    signature = _signature_of(strategy)
    if signature is None:
        return False
    positional = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    count = sum(parameter.kind in positional for parameter in signature.parameters.values())
    return count >= 2  # noqa: PLR2004 - configs and attributes


def _signature_of(strategy: Callable[..., Choice]) -> inspect.Signature | None:
    """Return a strategy's signature, which instances of one class share; None where it tells none."""
    call = inspect.getattr_static(type(strategy), "__call__", None)
    try:
        if isinstance(call, types.FunctionType) and not hasattr(strategy, "__signature__"):
            return _bound_signature(call)
        return inspect.signature(strategy)
    except (TypeError, ValueError):
        return None


@functools.lru_cache(maxsize=64)
def _bound_signature(call: types.FunctionType) -> inspect.Signature:
    return inspect.signature(types.MethodType(call, object()))


def strategy_error(strategy: Callable[..., Choice], error: Exception, function: str) -> StrategyError:
    """Return the error for a strategy that raised."""
    cause = f"{_label(strategy)} raised {type(error).__name__}: {error}"
    return StrategyError(f"Cannot choose a config for {function}: {cause}. Fix the strategy.")


def invalid_choice_error(strategy: Callable[..., Choice], choice: Any, function: str) -> StrategyError:
    """Return the error for a choice that is none."""
    shown = redactor().excerpt(repr(choice), 200)  # A config may hold secrets.
    return StrategyError(
        f"Cannot choose a config for {function}: {_label(strategy)} returned {shown}. "
        "Return (main, variants): a config and a list of configs, each one of those it was given."
    )


def _label(strategy: Callable[..., Choice]) -> str:
    return getattr(strategy, "__qualname__", type(strategy).__qualname__)
