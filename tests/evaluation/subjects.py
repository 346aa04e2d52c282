"""Functions and scorers that other processes find by name."""

import os
import signal
import threading
from pathlib import Path
from typing import Annotated

from spearmint import Bind, Config, Spearmint, experiment
from spearmint.strategies import ShadowStrategy

mint = Spearmint(configs=[{"factor": 1}, {"factor": 2}, {"factor": 3}])


@mint.experiment
def times(x: int, factor: Annotated[int, Bind("factor")]) -> int:
    return x * factor


@experiment
async def atimes(x: int, config: Config) -> int:
    return x * config.factor


def plain_times(x: int, config: dict) -> int:
    return x * config["factor"]


@mint.experiment
def fails_on_seven(x: int, factor: Annotated[int, Bind("factor")]) -> int:
    if x == 7 and factor == 3:
        raise ValueError("seven")
    return x * factor


class Quota:
    is_used_up = False


class TooManyRequestsError(Exception):
    status_code = 429
    retry_after = 1000


quota = Quota()


@mint.experiment
def metered(x: int, factor: Annotated[int, Bind("factor")]) -> int:
    if quota.is_used_up:
        raise TooManyRequestsError
    return x * factor


@experiment(configs=[{"digits": 0}, {"digits": 1}], strategy=ShadowStrategy)
def rounded(x: float, digits: Annotated[int, Bind("digits")]) -> float:
    return round(x, digits)


@mint.experiment
def nested(x: float, factor: Annotated[int, Bind("factor")]) -> float:
    return rounded(x * factor)


@mint.experiment
def kills_its_worker_once(x: int, folder: str, factor: Annotated[int, Bind("factor")]) -> int:
    """End the process without a word, the first time that it comes to a certain cell."""
    mark = Path(folder) / "killed"
    if x == 5 and factor == 2:
        try:
            mark.touch(exist_ok=False)
        except FileExistsError:
            return x * factor
        os.kill(os.getpid(), signal.SIGKILL)
    return x * factor


@mint.experiment
def counts_calls(x: int, folder: str, factor: Annotated[int, Bind("factor")]) -> int:
    with (Path(folder) / "calls").open("a") as file:
        file.write("x")
    return x * factor


@mint.experiment
def hangs_on_seven(x: int, factor: Annotated[int, Bind("factor")]) -> int:
    if x == 7:
        threading.Event().wait()
    return x * factor


@mint.experiment
def kills_its_worker(x: int, factor: Annotated[int, Bind("factor")]) -> int:
    if x == 5 and factor == 2:
        os._exit(1)
    return x * factor


@experiment
def kills_every_worker(x: int, config: Config) -> int:
    os._exit(1)


@mint.experiment
def burns(x: int, factor: Annotated[int, Bind("factor")]) -> int:
    return sum(i * i for i in range(20_000 + x)) % (factor + 1)


def exact(outputs, expectations) -> bool:
    return outputs == expectations["expected"]


def distance(outputs, expectations) -> dict:
    return {"distance": abs(outputs - expectations["expected"])}


def process_id(outputs) -> int:
    return os.getpid()


@experiment(configs=[{"k": k} for k in range(4)])
def finds(x: int, folder: str, k: Annotated[int, Bind("k")]) -> int:
    return _noted(folder, "finds", x + k)


@experiment(configs=[{"m": m} for m in range(4)])
def ranks(found: int, folder: str, m: Annotated[int, Bind("m")]) -> int:
    return _noted(folder, "ranks", found * m)


@experiment
def answers(x: int, folder: str) -> int:
    return ranks(finds(x, folder), folder)


def _noted(folder: str, name: str, value: int) -> int:
    with (Path(folder) / name).open("a") as file:
        file.write("x")
    return value


def prefers_larger(inputs: dict, first: int, second: int) -> str:
    return "first" if first > second else "second"


def kills_its_worker_on_five(inputs: dict, first: int, second: int) -> str:
    if inputs["x"] == 5:
        os._exit(1)
    return prefers_larger(inputs, first, second)
