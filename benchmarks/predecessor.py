"""What a call costs its caller here and in spearmint-framework 0.2.1, side by side.

Both packages are named ``spearmint``, so each is measured in a process of its own, and the two take turns, round by
round. The predecessor is installed in a virtual environment that this script makes and removes. Where the script runs
with MLflow installed, that environment borrows its dependencies from there. Where the predecessor cannot be installed,
the script says so, loudly, and measures nothing.

The floor is `call_overhead.py`'s: a closure that injects a constant and sets and resets one context variable. A row has
the medians of nine rounds. In the traced row MLflow writes to a SQLite file; the time is the caller's.
"""

import asyncio
import contextlib
import functools
import importlib.util
import json
import os
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from pathlib import Path
from statistics import median
from typing import IO, Any

PREDECESSOR = "spearmint-framework==0.2.1"
ROUNDS = 9
LARGEST_SHARE = 0.1  # A call here takes at most that share of the predecessor's time.
CALLS = {"traced": 10, "plain": 200}
CASE: ContextVar[object] = ContextVar("case", default=None)
CONFIG = {"model": "small", "temperature": 0.5}

Measure = Callable[[int], float]


def floor(function: Callable[..., Any], value: object) -> Callable[..., Any]:
    """Return the plainest wrapper."""

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        kwargs["config"] = value
        token = CASE.set(value)
        try:
            return function(*args, **kwargs)
        finally:
            CASE.reset(token)

    return call


def async_floor(function: Callable[..., Any], value: object) -> Callable[..., Any]:
    """Return the plainest wrapper of a coroutine function."""

    @functools.wraps(function)
    async def call(*args: Any, **kwargs: Any) -> Any:
        kwargs["config"] = value
        token = CASE.set(value)
        try:
            return await function(*args, **kwargs)
        finally:
            CASE.reset(token)

    return call


def timed(function: Callable[[], Any]) -> Measure:
    """Return what tells the seconds that one call takes, of so many."""

    def measure(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            function()
        return (time.perf_counter() - start) / count

    return measure


def timed_awaited(function: Callable[[], Any]) -> Measure:
    """Return the same for a coroutine function."""

    async def calls(count: int) -> float:
        start = time.perf_counter()
        for _ in range(count):
            await function()
        return (time.perf_counter() - start) / count

    return lambda count: asyncio.run(calls(count))


def measure_here(folder: str) -> None:
    """Measure the package of this environment: a round for each line of stdin, answered with a line of JSON."""
    answers, sys.stdout = sys.stdout, open(os.devnull, "w")  # noqa: PTH123, SIM115 - the predecessor prints on each call
    import mlflow  # noqa: PLC0415 - only the measured processes need it

    import spearmint  # noqa: PLC0415

    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mint = spearmint.Spearmint(configs=[CONFIG])
    config_type = sys.modules["spearmint.config"].Config
    is_ours = hasattr(spearmint, "tracing_stats")
    plain = {"tracing": False} if is_ours else {}
    traced = {"tracing": True} if is_ours else {}

    def work(config: Any) -> None:
        """Do nothing, so that only the call is measured."""

    async def awork(config: Any) -> None:
        """Do nothing."""

    work.__annotations__["config"] = awork.__annotations__["config"] = config_type

    def nested(wrap: Callable[..., Any]) -> Callable[[], Any]:
        inner = wrap(work)

        def outer(config: Any) -> None:  # noqa: ARG001 - it is injected
            inner()

        outer.__annotations__["config"] = config_type
        return wrap(outer)

    constant = functools.partial(floor, value=CONFIG)
    declare = mint.experiment(**plain)
    questions: dict[str, tuple[str, Measure, Measure]] = {
        "function": ("plain", timed(constant(work)), timed(declare(work))),
        "async function": ("plain", timed_awaited(async_floor(awork, CONFIG)), timed_awaited(declare(awork))),
        "nested, two experiments": ("plain", timed(nested(constant)), timed(nested(declare))),
        "function, traced": ("traced", timed(constant(work)), timed(mint.experiment(**traced)(work))),
    }
    for _ in sys.stdin:
        times = {}
        for name, (kind, below, above) in questions.items():
            (mlflow.tracing.enable if kind == "traced" else mlflow.tracing.disable)()
            above(CALLS[kind])  # warm
            times[name] = below(CALLS["plain"]), above(CALLS[kind])
            if is_ours:
                spearmint.flush(60)
            mlflow.flush_trace_async_logging()
        answers.write(json.dumps(times) + "\n")
        answers.flush()


@contextlib.contextmanager
def measuring(python: Path, folder: Path) -> Iterator[Callable[[], dict[str, tuple[float, float]]]]:
    """Start a process that measures, and give what asks it for a round."""
    folder.mkdir()
    environment = {**os.environ, "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING": "true", "PYTHONWARNINGS": "ignore"}
    command = [str(python), __file__, "--measure", str(folder)]
    log = folder / "stderr.txt"
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            cwd=folder,
            env=environment,
        )
        assert process.stdin is not None  # noqa: S101 - it is a pipe
        assert process.stdout is not None  # noqa: S101
        try:
            yield functools.partial(ask, process.stdin, process.stdout, log)
        finally:
            process.kill()
            process.wait()


def ask(questions: IO[str], answers: IO[str], log: Path) -> dict[str, tuple[float, float]]:
    """Have one round measured."""
    questions.write("\n")
    questions.flush()
    line = answers.readline()
    if not line:
        sys.exit(f"the measured process ended: {log.read_text(encoding='utf-8')[-2000:]}")
    times: dict[str, tuple[float, float]] = json.loads(line)
    return times


def environment_with_predecessor(folder: Path) -> tuple[Path, str]:
    """Make a virtual environment that has the predecessor.

    Returns:
        Its interpreter, and why it could not be made; empty if it could.
    """
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    shares = importlib.util.find_spec("mlflow") is not None  # noqa: TID251 - no parent to import
    command = [str(python), "-m", "pip", "install", "--quiet", *(["--no-deps"] if shares else []), PREDECESSOR]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=1200)
    if done.returncode:
        return python, done.stderr.strip()
    if shares:
        paths = [sysconfig.get_path("purelib"), *(path for path in sys.path if path.endswith("site-packages"))]
        own = next((folder / "lib").glob("*/site-packages"))
        (own / "dependencies.pth").write_text("\n".join(dict.fromkeys(paths)) + "\n", encoding="utf-8")
    check = "import spearmint.strategies, mlflow; assert not hasattr(spearmint, 'tracing_stats'), spearmint.__file__"
    done = subprocess.run([str(python), "-c", check], capture_output=True, text=True, check=False, timeout=300)
    return python, done.stderr.strip() if done.returncode else ""


def main() -> int:
    """Print the table; return 1 when a limit is missed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python, problem = environment_with_predecessor(folder / "environment")
        if problem:
            print(f"!!! SKIPPED: {PREDECESSOR} cannot be installed here, so nothing was measured:\n{problem}")
            return 0
        rounds = []
        with measuring(Path(sys.executable), folder / "here") as here, measuring(python, folder / "there") as there:
            here(), there()  # The first round imports and makes the database.
            rounds = [(here(), there()) for _ in range(ROUNDS)]
    return 0 if report(rounds) else 1


def report(rounds: list[tuple[dict[str, tuple[float, float]], dict[str, tuple[float, float]]]]) -> bool:
    """Print the table, and return whether all limits hold."""
    print(f"{'':24} {'floor µs':>9} {'ours µs':>9} {'predecessor µs':>15} {'ours':>8} {'predecessor':>12} {'share':>7}")
    holds = True
    for name in rounds[0][0]:
        ours = [one[name] for one, _ in rounds]
        theirs = [two[name] for _, two in rounds]
        below = median(floor for floor, _ in ours + theirs)
        here, there = median(time for _, time in ours), median(time for _, time in theirs)
        ratios = [median(time / floor for floor, time in side) for side in (ours, theirs)]
        share = median(mine[1] / other[1] for mine, other in zip(ours, theirs, strict=True))
        holds = holds and share <= LARGEST_SHARE
        times = f"{below * 1e6:9.2f} {here * 1e6:9.2f} {there * 1e6:15.1f}"
        print(f"{name:24} {times} {ratios[0]:7.1f}x {ratios[1]:11.1f}x {share:7.4f}")
    print(f"limit on the share: {LARGEST_SHARE} {'ok' if holds else 'MISSED'}")
    return holds


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        measure_here(sys.argv[2])
    else:
        sys.exit(main())
