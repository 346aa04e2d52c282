"""What a type checker must refuse: each line that ends with `# refused`, and no other. Nothing here is called."""

from typing import Annotated

import spearmint
from spearmint import INJECTED, Bind, Config, Spearmint, experiment, install
from spearmint.context import propagate
from spearmint.strategies import ShadowStrategy
from spearmint.testing import override

mint = Spearmint(configs=[{"limit": 3}], strategy=ShadowStrategy)


@mint.experiment
def bare(text: str, *, limit: int = 3) -> list[str]:
    return [text] * limit


@mint.experiment(configs=[{"limit": 3}])
def called(text: str, *, limit: int = 3) -> list[str]:
    return [text] * limit


@experiment
def free_bare(text: str, config: Config) -> float:
    return 0.5


@experiment(configs=[{"limit": 3}])
def injected(text: str, limit: Annotated[int, Bind("limit")] = INJECTED) -> float:
    return 0.5


@mint.experiment
async def awaited(text: str) -> int:
    return len(text)


class Ranker:
    @mint.experiment
    def score(self, text: str, boost: float = 1.0) -> float:
        return boost

    @classmethod
    @mint.experiment()
    def named(cls, name: str) -> str:
        return name

    @staticmethod
    @experiment
    def count(text: str) -> int:
        return len(text)


def main_alone(configs: list[Config]) -> Config:
    return configs[0]


def calls(ranker: Ranker) -> None:
    bare(1)  # refused
    bare("a", limit="3")  # refused
    bare("a").append(1)  # refused
    called("a", 3)  # refused
    called("a", limits=3)  # refused
    free_bare("a")  # refused
    free_bare("a", {"limit": 3})  # refused
    injected()  # refused
    injected("a", "3")  # refused
    ranker.score(2)  # refused
    Ranker.named(2)  # refused
    ranker.count()  # refused


async def asynchronous_calls() -> None:
    await awaited(1)  # refused
    (await awaited("a")).upper()  # refused
    awaited("a").upper()  # refused


def targets() -> None:
    mint.experiment(3)  # refused
    experiment("a")  # refused
    propagate(3)  # refused


def options_of_an_instance() -> None:
    Spearmint(config=[{"limit": 3}])  # refused
    Spearmint([{"limit": 3}])  # refused
    Spearmint(configs=3)  # refused
    Spearmint(configs=[3])  # refused
    Spearmint(strategy=3)  # refused
    Spearmint(strategy=main_alone)  # refused
    Spearmint(bindings=["limit"])  # refused
    Spearmint(on_variant_error="raise")  # refused
    Spearmint(variant_timeout="1")  # refused
    Spearmint(copy_args="deep")  # refused
    Spearmint(combine="sum")  # refused
    Spearmint(max_cases=1.5)  # refused
    Spearmint(compare=True)  # refused
    Spearmint(tracing={"sample_rat": 0.5})  # refused
    Spearmint(tracing={"sample_rate": "half"})  # refused


def options_of_an_experiment() -> None:
    mint.experiment(config=[{"limit": 3}])  # refused
    mint.experiment(strategy=main_alone)  # refused
    mint.experiment(variant_timeout="1")  # refused
    mint.experiment(copy_argument=True)  # refused
    mint.experiment(tracing={"mode": "live"})  # refused
    experiment(configs=3)  # refused
    experiment(binding={"limit": "limit"})  # refused
    experiment(combine="sum")  # refused
    experiment(max_cases="all")  # refused


def options_of_the_process() -> None:
    spearmint.configure(backgrounds={"max_workers": 2})  # refused
    spearmint.configure(background={"workers": 2})  # refused
    spearmint.configure(background={"max_workers": "two"})  # refused
    spearmint.configure(background={"overflow": "wait"})  # refused
    spearmint.configure(tracing={"rate": 0.5})  # refused
    spearmint.configure(tracing={"sample_rate": "half"})  # refused
    spearmint.configure(tracing=True)  # refused
    install(3)  # refused
    install("spearmint.yaml", package="shop")  # refused


def runs() -> None:
    with Spearmint.run(bare) as runner:
        runner(1)  # refused
        runner("a", limits=3)  # refused
        runner("a").main_result.result.upper()  # refused
        runner("a").variant_results[0].result.append(1)  # refused
        runner("a").main_result.outcome  # refused
    Spearmint.run(3)  # refused
    Spearmint.run(bare, await_variant=True)  # refused


def evaluations() -> None:
    mint.evaluate(bare, "data.jsonl")  # refused
    mint.evaluate(3, "data.jsonl", scorers=[])  # refused
    mint.evaluate(bare, "data.jsonl", scorers=[], repeats="twice")  # refused


def overrides() -> None:
    override(bare)  # refused
    override(3, {"k": 1})  # refused
    override(bare, {"k": 1}, True)  # refused
