"""What a type checker must make of experiments. Nothing here is called: mypy reads it, strictly, in a test."""

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from typing import Any, TypeVar, assert_type

import spearmint
from spearmint import Config, ExperimentResults, FunctionResult, Spearmint, experiment
from spearmint.strategies import ShadowStrategy

T = TypeVar("T")

mint = Spearmint(configs=[{"limit": 3}], strategy=ShadowStrategy)


@mint.experiment
def bare(text: str, *, limit: int = 3) -> list[str]:
    return [text] * limit


@mint.experiment()
def called(text: str, *, limit: int = 3) -> list[str]:
    return [text] * limit


@mint.experiment(configs=[{"limit": 3}], strategy=ShadowStrategy(sample_rate=0.5), bindings={"limit": "limit"})
def with_settings(text: str, *, limit: int = 3) -> list[str]:
    return [text] * limit


@experiment
def free_bare(text: str, config: Config) -> float:
    return 0.5


@experiment(configs=[{"limit": 3}])
def free_called(text: str, config: Config) -> float:
    return 0.5


@spearmint.experiment(strategy=ShadowStrategy)
def by_module(text: str, config: Config) -> float:
    return 0.5


@mint.experiment
async def awaited(text: str) -> int:
    return len(text)


@experiment()
def streamed(text: str) -> Iterator[str]:
    yield text


@mint.experiment()
async def streamed_async(text: str) -> AsyncIterator[str]:
    yield text


@mint.experiment()
def generic(items: list[T]) -> T:
    return items[0]


class Ranker:
    @mint.experiment
    def score(self, text: str, boost: float = 1.0) -> float:
        return boost

    @mint.experiment()
    async def ascore(self, text: str) -> float:
        return 1.0

    @classmethod
    @mint.experiment()
    def named(cls, name: str) -> str:
        return name

    @staticmethod
    @experiment
    def count(text: str) -> int:
        return len(text)

    @mint.experiment
    @classmethod
    def outside(cls, name: str) -> str:
        return name

    @mint.experiment()
    @staticmethod
    def around(text: str) -> int:
        return len(text)

    @property
    @mint.experiment
    def size(self) -> int:
        return 1


def results_have_types(ranker: Ranker) -> None:
    assert_type(bare("a", limit=2), list[str])
    assert_type(called("a"), list[str])
    assert_type(with_settings("a"), list[str])
    assert_type(free_bare("a", Config()), float)
    assert_type(free_called("a", Config()), float)
    assert_type(by_module("a", Config()), float)
    assert_type(streamed("a"), Iterator[str])
    assert_type(streamed_async("a"), AsyncIterator[str])
    assert_type(generic([1]), int)
    assert_type(generic(["a"]), str)
    assert_type(ranker.score("a", boost=2.0), float)
    assert_type(Ranker.score(ranker, "a"), float)
    assert_type(Ranker.named("a"), str)
    assert_type(ranker.count("a"), int)
    assert_type(Ranker.outside("a"), str)
    assert_type(ranker.outside("a"), str)
    assert_type(Ranker.around("a"), int)
    assert_type(ranker.around("a"), int)
    assert_type(ranker.size, int)


async def async_results_have_types(ranker: Ranker) -> None:
    started: Coroutine[Any, Any, int] = awaited("a")
    await started
    assert_type(await awaited("a"), int)
    assert_type(await ranker.ascore("a"), float)
    async with Spearmint.arun(awaited, await_variants=True) as runner:
        assert_type(await runner("a"), ExperimentResults[int])


def experiments_are_functions_of_their_kind(ranker: Ranker) -> None:
    synchronous: Callable[[str], list[str]] = bare
    asynchronous: Callable[[str], Awaitable[int]] = awaited
    method: Callable[[str], float] = ranker.score
    assert all(map(callable, (synchronous, asynchronous, method)))
    assert_type(bare.__name__, str)


def runs_have_types() -> None:
    with Spearmint.run(bare, await_variants=True) as runner:
        results = runner("a")
    assert_type(results, ExperimentResults[list[str]])
    assert_type(results.main_result, FunctionResult[list[str]])
    assert_type(results.variant_results, list[FunctionResult[list[str]]])
    assert_type(spearmint.flush(1.0), bool)
    assert_type(spearmint.background_stats().submitted, int)
