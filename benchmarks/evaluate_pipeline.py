"""What an evaluation of many configs saves and keeps: shared steps, limits, and the same beside other ways.

* A step that is reused by 63 of 64 configs, against no step: what it costs a cell, in time of the processor.
* A pipeline of 4 x 4 x 4 with steps of 10 ms on one thread, against the same with ``share=False``.
* A loopback server that takes 50 requests a second, and answers 429 beyond: how close ``limits=Limits()`` comes.
* 10,000 rows under 4 configs, beside ``mlflow.genai.evaluate`` (``--mlflow``, which takes long) and a plain
  ``asyncio.gather``.

Run: ``python benchmarks/evaluate_pipeline.py [reuse] [share] [serve] [gather] [--mlflow]``.
"""

import asyncio
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from statistics import median
from tempfile import TemporaryDirectory
from typing import Annotated, Any

from spearmint import Bind, Limits, Spearmint, experiment

REUSE_LIMIT = 30.0  # µs for a step that is reused
SHARE_LIMIT = 0.48
RATE = 50  # requests a second that the server takes
RATE_LIMIT = 0.9  # share of them that is used, after the first 20 s
REFUSED_LIMIT = 0.05
WARM_SECONDS = 20.0
SERVED = 2_500
STEP_SECONDS = 0.01
ROUNDS = 5
ROWS = 10_000

mint = Spearmint()


def timed(work: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds that a call takes."""
    started = clock()
    work()
    return clock() - started


@experiment
def light(x: int) -> int:
    """Do next to nothing, equally for all configs of the function that calls it."""
    return x


@experiment(configs=[{"factor": factor} for factor in range(64)])
def one_step(x: int, factor: Annotated[int, Bind("factor")]) -> int:
    """Call a step that all configs have in common."""
    return light(x) * factor


@experiment(configs=[{"factor": factor} for factor in range(64)])
def no_step(x: int, factor: Annotated[int, Bind("factor")]) -> int:
    """Do the same without it."""
    return x * factor


def any_score(outputs: int) -> bool:
    """Score an output."""
    return outputs >= 0


def reuse() -> bool:
    """Print what a reused step costs beyond no step; return whether the limit holds."""
    rows = [{"x": x} for x in range(100)]

    def run(function: Callable[..., Any]) -> float:
        options: dict[str, Any] = {"scorers": [any_score], "concurrency": 1, "progress": False}
        return timed(lambda: mint.evaluate(function, rows, **options), time.process_time)

    run(one_step), run(no_step)
    cost = median(run(one_step) - run(no_step) for _ in range(ROUNDS)) / (len(rows) * 64) * 1e6
    print(f"a step that is reused: {cost:.1f} µs (limit {REUSE_LIMIT:g} µs)")
    return cost <= REUSE_LIMIT


def step(name: str) -> Callable[..., Any]:
    """Return a step of 10 ms with four configs."""

    def run(x: int, k: Annotated[int, Bind("k")]) -> int:
        time.sleep(STEP_SECONDS)
        return 10 * x + k

    run.__name__, run.__qualname__ = name, name
    return experiment(configs=[{"k": k} for k in range(4)])(run)


retrieve, rank, reply = map(step, ("retrieve", "rank", "reply"))


@experiment
def pipeline(x: int) -> int:
    """Call three steps, each with what the one before has made."""
    made: int = reply(rank(retrieve(x)))
    return made


def share() -> bool:
    """Print which part of the time of 4 x 4 x 4 remains where steps are shared; return whether the limit holds."""
    rows = [{"x": x} for x in range(2)]

    def run(*, is_shared: bool) -> float:
        options: dict[str, Any] = {"share": is_shared, "concurrency": 1, "progress": False}
        return timed(lambda: mint.evaluate(pipeline, rows, scorers=[any_score], **options))

    ratio = median(run(is_shared=True) / run(is_shared=False) for _ in range(3))
    print(f"4 x 4 x 4 with steps of 10 ms: {ratio:.2f} of share=False (limit {SHARE_LIMIT})")
    return ratio <= SHARE_LIMIT


@contextmanager
def server() -> Any:
    """Serve on loopback, ``RATE`` requests a second; give the address and the moments of what was taken and refused."""
    taken: list[float] = []
    refused: list[float] = []
    lock = threading.Lock()
    bucket = [float(RATE), time.monotonic()]

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            with lock:
                now = time.monotonic()
                tokens = min(float(RATE), bucket[0] + (now - bucket[1]) * RATE)
                is_taken = tokens >= 1
                bucket[:] = tokens - is_taken, now
                (taken if is_taken else refused).append(now)
            time.sleep(0.1 * is_taken)
            self.send_response(200 if is_taken else 429)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    serving = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=serving.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{serving.server_address[1]}", taken, refused
    finally:
        serving.shutdown()
        serving.server_close()
        thread.join()


def serve() -> bool:
    """Print how close to a server's rate limits come, and how often it refused; return whether the limits hold."""
    with server() as (address, taken, refused):

        def ask(x: int, config: dict[str, int]) -> int:
            try:
                url = f"{address}/{x}/{config['k']}"
                with urllib.request.urlopen(url, timeout=30) as answer:  # noqa: S310 - it is the server above
                    return int(answer.status)
            except urllib.error.HTTPError as error:
                error.close()
                raise

        rows = [{"x": x} for x in range(SERVED // 2)]
        configs = [{"k": 1}, {"k": 2}]
        options: dict[str, Any] = {"limits": Limits(attempts=8), "configs": configs, "progress": False}
        report = mint.evaluate(ask, rows, scorers=[any_score], **options)
    warm = taken[0] + WARM_SECONDS
    late = [moment for moment in taken if moment >= warm]
    used = len(late) / (taken[-1] - warm) / RATE
    late_refused = sum(moment >= warm for moment in refused)
    part = late_refused / (late_refused + len(late))
    lost = report.errors
    after = f"{part:.1%} refused after {WARM_SECONDS:g} s (limit {REFUSED_LIMIT:.0%})"
    of_rate = f"of {RATE} requests a second: {used:.0%} used (at least {RATE_LIMIT:.0%})"
    print(f"{of_rate}, {after}, {lost} cells lost (limit 0)")
    return used >= RATE_LIMIT and part <= REFUSED_LIMIT and not lost


async def work(x: int, factor: int) -> int:
    """Stand for a request."""
    await asyncio.sleep(0)
    return x * factor


@experiment(configs=[{"factor": factor} for factor in range(4)])
async def working(x: int, factor: Annotated[int, Bind("factor")]) -> int:
    """Make it as an experiment."""
    return await work(x, factor)


def gather() -> bool:
    """Print how long 10,000 rows under 4 configs take beside a plain gather, and genai.evaluate where asked."""
    rows = [{"x": x} for x in range(ROWS)]

    async def plain() -> list[bool]:
        made = await asyncio.gather(*(work(row["x"], factor) for row in rows for factor in range(4)))
        return [any_score(one) for one in made]

    floor = timed(lambda: asyncio.run(plain()))
    ours = timed(lambda: mint.evaluate(working, rows, scorers=[any_score], progress=False))
    print(f"10,000 rows x 4 configs: {ours / floor:.1f} times a plain gather, {ours / ROWS / 4 * 1e6:.0f} µs a cell")
    if "--mlflow" in sys.argv:
        theirs = genai(rows)
        print(f"the same by mlflow.genai.evaluate: {theirs / ours:.1f} times ours")
    return True


def genai(rows: list[dict[str, int]]) -> float:
    """Return the seconds that MLflow takes for the same, config by config."""
    import mlflow  # noqa: PLC0415 - asked for alone

    score = mlflow.genai.scorer(any_score)
    data = [{"inputs": row} for row in rows]

    def predict(factor: int) -> Callable[[int], int]:
        return lambda x: asyncio.run(work(x, factor))

    def run() -> None:
        for factor in range(4):
            mlflow.genai.evaluate(data=data, predict_fn=predict(factor), scorers=[score])

    with TemporaryDirectory() as folder:
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        return timed(run)


def main() -> int:
    """Print what was asked for, by default all; return 1 when a limit is missed."""
    known: dict[str, Callable[[], bool]] = {"reuse": reuse, "share": share, "serve": serve, "gather": gather}
    asked = [name for name in known if name in sys.argv] or list(known)
    results = [known[name]() for name in asked]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
