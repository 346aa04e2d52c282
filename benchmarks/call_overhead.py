"""What a call of an experiment costs, as a ratio to the plainest wrapper that could do the job.

The floor is a `functools.wraps` closure that injects a constant config by keyword and sets and resets one context
variable; for async functions its async twin. Every function here does nothing, so that only the wrapping is measured.
"""

import functools
import sys
from collections.abc import Callable
from contextvars import ContextVar
from typing import Annotated, Any

from floor import Row, compare
from pydantic import BaseModel, ConfigDict

from spearmint import Bind, Config, Spearmint, experiment
from spearmint.strategies import RoundRobinStrategy

CASE: ContextVar[object] = ContextVar("case", default=None)


class Frozen(BaseModel):
    """Nothing in it can change, so executions share it."""

    model_config = ConfigDict(frozen=True)
    name: str
    temperature: float


class Mutable(BaseModel):
    """Each execution gets a copy."""

    name: str
    temperature: float


CONFIG = {"name": "small", "temperature": 0.5, "limit": 10}
OWN = Config(CONFIG)


def floor(function: Callable[..., Any], value: object, name: str = "config") -> Callable[..., Any]:
    """Return the plainest wrapper."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        kwargs[name] = value
        token = CASE.set(value)
        try:
            return function(*args, **kwargs)
        finally:
            CASE.reset(token)

    return call


def async_floor(function: Callable[..., Any], value: object) -> Callable[..., Any]:
    """Return the plainest wrapper of an async function."""

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        kwargs["config"] = value
        token = CASE.set(value)
        try:
            return await function(*args, **kwargs)
        finally:
            CASE.reset(token)

    return call


def with_frozen(config: Frozen) -> None:
    """Take a model that cannot change."""


def with_int(config: Annotated[int, Bind("limit")]) -> None:
    """Take a number."""


def with_config(config: Config) -> None:
    """Take the whole config."""


def with_mutable(config: Mutable) -> None:
    """Take a model that can change."""


async def with_frozen_async(config: Frozen) -> None:
    """Take a model that cannot change."""


class Plain:
    """A method as the floor has it."""

    method = floor(lambda self, config: None, 10)  # noqa: ARG005 - it does nothing


class Ours:
    """The same method as an experiment."""

    @experiment(configs=[CONFIG])
    def method(self, config: Annotated[int, Bind("limit")]) -> None:
        """Take a number."""


def main() -> int:
    """Print the table; return 1 when a limit is missed."""
    mint = Spearmint(configs=[CONFIG, {**CONFIG, "name": "large"}])
    declare = mint.experiment()
    in_turn = mint.experiment(strategy=RoundRobinStrategy)
    frozen = Frozen(**CONFIG)
    plain, ours = Plain(), Ours()
    own = functools.partial(floor(with_config, OWN), config=OWN), functools.partial(declare(with_config), config=OWN)
    methods = lambda: plain.method(), lambda: ours.method()  # noqa: PLW0108 - looked up each time
    questions = [
        ("one config, frozen model", floor(with_frozen, frozen), declare(with_frozen), 1.25),
        ("one config, int", floor(with_int, 10), declare(with_int), 1.25),
        ("the caller's own config", *own, 1.25),
        ("flat Config, a copy each", floor(with_config, OWN), declare(with_config), 1.5),
        ("method, int", *methods, 1.5),
        ("RoundRobin, frozen model", floor(with_frozen, frozen), in_turn(with_frozen), 2),
        ("mutable model, a copy each", floor(with_mutable, frozen), declare(with_mutable), 4),
    ]
    rows = [Row(name=name, floor=below, ours=above, limit=limit) for name, below, above, limit in questions]
    awaited = async_floor(with_frozen_async, frozen), declare(with_frozen_async)
    rows.append(Row(name="async, frozen model", floor=awaited[0], ours=awaited[1], limit=2, awaited=True))
    return 0 if compare(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
