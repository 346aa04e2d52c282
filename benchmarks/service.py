"""What does an experiment cost the requests of a service?

A FastAPI application under uvicorn, a process for each setting, all on loopback and asked in turns by the same few
clients, one request after another each. A request waits 20 ms for something else, such as a model, and computes little.

* plain: the function as it is.
* shadow: an experiment with a variant that takes 20 ms too, both traced, to MLflow in sqlite.
* MLflow down: the same, with a tracking server whose port refuses.

And near its capacity? Requests come at random, at a rate that takes most of a core, whether they are answered or not,
in turns to the function as it is and to a shadow of two variants, in one process: what a request takes, from when it
was due, the core that the process used, and what became of the variants.
"""

import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import median, quantiles

SETTINGS = ("plain", "shadow", "MLflow down")
ROUNDS = 9
REQUESTS = 200  # of one client in one round
CLIENTS = 2
WARM_UP = 100
START_SECONDS = 60
LIMITS = {"p50": 1.1, "p99": 1.5}
BUSY_CORE = 0.7  # Used by the plain function.
BUSY_SLICES = 16  # Of each.
BUSY_SECONDS = 2.0
BUSY_LIMIT = 1.15

APP = """
import os, time
from dataclasses import asdict
from fastapi import FastAPI
from spearmint import Spearmint
from spearmint.strategies import ShadowStrategy
import asyncio, spearmint

app = FastAPI()

async def answer(question: str, scale: int = 1) -> dict:
    await asyncio.sleep(0.020)
    return {"length": sum(map(ord, question * 20)) * scale}

if os.environ["SETTING"] == "busy":
    spearmint.configure(background={"queue_size": 20})
elif os.environ["SETTING"] != "plain":
    import mlflow
    configs = [{"scale": 1}, {"scale": 2}]
    mint = Spearmint(configs=configs, bindings={"scale": "scale"}, strategy=ShadowStrategy, tracing=True)
    answer = mint.experiment(answer)

@app.get("/")
async def read(question: str) -> dict:
    return await answer(question)

async def compute(question: str, scale: int = 1) -> dict:
    size = sum(range(40_000))
    await asyncio.sleep(0.020)
    return {"length": sum(range(40_000)) + size + scale}

busy = Spearmint(configs=[{"scale": n} for n in (1, 2, 3)], bindings={"scale": "scale"}, tracing=False)
shadowed = busy.experiment(strategy=ShadowStrategy)(compute)

@app.get("/busy/plain")
async def read_plain(question: str) -> dict:
    return await compute(question)

@app.get("/busy/shadow")
async def read_shadowed(question: str) -> dict:
    return await shadowed(question)

@app.get("/busy/account")
async def busy_account() -> dict:
    return {"core": time.process_time(), **asdict(spearmint.background_stats())}

@app.get("/account")
async def account() -> dict:
    traces, variants = spearmint.tracing_stats(), spearmint.background_stats()
    return {"recorded": traces.recorded, "lost": traces.dropped + traces.failed, "variants": variants.submitted}
"""


def main() -> int:
    """Measure all settings, print the table, and return the exit status: 1 when a limit is missed."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        ports = {setting: stack.enter_context(served(setting, folder)) for setting in SETTINGS}
        for port in ports.values():
            asyncio.run(load(port, WARM_UP))
        measured: dict[str, list[list[float]]] = {setting: [] for setting in SETTINGS}
        for _ in range(ROUNDS):
            for setting, port in ports.items():
                measured[setting].append(asyncio.run(load(port, REQUESTS)))
        accounts = {setting: asyncio.run(once(port, "/account")) for setting, port in ports.items()}
        busy = asyncio.run(under_load(stack.enter_context(served("busy", folder))))
    passes = tell(measured, accounts)
    return 0 if tell_busy(*busy) and passes else 1


@contextmanager
def served(setting: str, folder: str) -> Iterator[int]:
    """Serve the application in a process of its own, and give its port."""
    with socket.socket() as taken, socket.socket() as refusing:
        for one in (taken, refusing):
            one.bind(("127.0.0.1", 0))
        port, closed = taken.getsockname()[1], refusing.getsockname()[1]
    uri = f"http://127.0.0.1:{closed}" if setting == "MLflow down" else f"sqlite:///{folder}/{port}.db"
    Path(folder, "service.py").write_text(APP, encoding="utf-8")
    environment = {**os.environ, "SETTING": setting, "MLFLOW_TRACKING_URI": uri}
    command = [sys.executable, "-m", "uvicorn", "service:app", "--port", str(port), "--log-level", "error"]
    command += ["--timeout-keep-alive", "600"]
    quiet = subprocess.DEVNULL
    server = subprocess.Popen(command, cwd=folder, env=environment, stdout=quiet, stderr=quiet)
    try:
        asyncio.run(until_it_answers(port))
        yield port
    finally:
        server.kill()
        server.wait()


async def until_it_answers(port: int) -> None:
    """Wait for a server that has just been started."""
    end = time.monotonic() + START_SECONDS
    while True:
        try:
            await once(port, "/account")
        except OSError:
            if time.monotonic() > end:
                raise
            await asyncio.sleep(0.1)
        else:
            return


async def once(port: int, path: str) -> str:
    """Ask one thing on a connection of its own, and return the body of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        return await ask(reader, writer, path)
    finally:
        writer.close()


async def load(port: int, requests: int) -> list[float]:
    """Let every client ask, and return the seconds of each request.

    Raises:
        RuntimeError: If an answer is not 200.
    """
    return [
        seconds
        for client in await asyncio.gather(*(be_client(port, requests) for _ in range(CLIENTS)))
        for seconds in client
    ]


async def be_client(port: int, requests: int) -> list[float]:
    """Ask one request after another on one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    times = []
    try:
        for number in range(requests):
            start = time.perf_counter()
            await ask(reader, writer, f"/?question=what-is-{number}")
            times.append(time.perf_counter() - start)
    finally:
        writer.close()
    return times


async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> str:
    """Send a request on an open connection, and return the body of the answer."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    head = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
    length = int(head.partition("content-length:")[2].partition("\r\n")[0])
    body = (await reader.readexactly(length)).decode()
    if not head.startswith("http/1.1 200"):
        message = f"{path} was answered {head.splitlines()[0]}: {body}"
        raise RuntimeError(message)
    return body


Slices = dict[str, list[tuple[list[float], float]]]


async def under_load(port: int) -> tuple[float, Slices, dict[str, float]]:
    """Load a service near its capacity.

    Returns:
        The requests per second; of each path, by slices, the seconds of each request and the part of a core used; and
        the account of the variants.
    """
    paths = ("/busy/plain", "/busy/shadow")
    connections = [await asyncio.open_connection("127.0.0.1", port)]
    took = []
    for _ in range(5):  # The quickest is the least disturbed.
        before = await busy_account(connections)
        for _ in range(WARM_UP):
            await ask(*connections[0], f"{paths[0]}?question=why")
        took.append(((await busy_account(connections))["core"] - before["core"]) / WARM_UP)
    rate = BUSY_CORE / median(took)
    measured: Slices = {path: [] for path in paths}
    for number in range(BUSY_SLICES):
        for path in paths if number % 2 else reversed(paths):
            measured[path].append(await load_openly(connections, path, rate, number))
    return rate, measured, await busy_account(connections)


Connections = list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]


async def busy_account(connections: Connections) -> dict[str, float]:
    """Return the seconds of a core that the service has used, and what became of its variants."""
    account: dict[str, float] = json.loads(await ask(*connections[0], "/busy/account"))
    return account


async def load_openly(connections: Connections, path: str, rate: float, seed: int) -> tuple[list[float], float]:
    """Ask at random, at a rate, for some seconds; return the seconds of each request and the part of a core used."""
    before, start, due, times = await busy_account(connections), time.perf_counter(), 0.0, []
    host, port = connections[0][1].get_extra_info("peername")
    source = random.Random(seed)  # noqa: S311 - no secret

    async def one(due: float) -> None:
        connection = connections.pop() if connections else await asyncio.open_connection(host, port)
        await ask(*connection, f"{path}?question=why")
        times.append(time.perf_counter() - start - due)
        connections.append(connection)

    async with asyncio.TaskGroup() as group:
        while (due := due + source.expovariate(rate)) < BUSY_SECONDS:
            await asyncio.sleep(max(start + due - time.perf_counter(), 0))
            group.create_task(one(due))
    seconds = time.perf_counter() - start
    after = await busy_account(connections)
    while (await busy_account(connections))["pending"]:  # noqa: ASYNC110 - what it left is not to slow the next
        await asyncio.sleep(0.05)
    return times, (after["core"] - before["core"]) / seconds


def tell_busy(rate: float, measured: Slices, account: dict[str, float]) -> bool:
    """Print what requests of a busy service took, and return whether the limit holds."""
    print(f"near its capacity, {rate:.0f} requests/s:")
    p95s: list[list[float]] = []
    for path, slices in measured.items():
        p95s.append([quantiles(times, n=100)[94] for times, _ in slices])
        core = median(core for _, core in slices)
        print(f"{path:12} {median(p95s[-1]) * 1e3:8.1f} ms p95, {core:.2f} of a core")
    ratio = median(shadow / plain for plain, shadow in zip(*p95s, strict=True))
    passes = bool(ratio <= BUSY_LIMIT)
    shed = f"{account['dropped']} of {account['submitted']} variants shed"
    print(f"p95 ratio {ratio:.2f}, limit {BUSY_LIMIT}: {'ok' if passes else 'MISSED'}; {shed}")
    return passes


def tell(measured: dict[str, list[list[float]]], accounts: dict[str, str]) -> bool:
    """Print the table, and return whether all limits hold."""
    plain = measured[SETTINGS[0]]
    passes = True
    print(f"{'':12} {'requests/s':>11} {'p50 ms':>8} {'ratio':>6} {'p99 ms':>8} {'ratio':>6}   account at the end")
    for setting, rounds in measured.items():
        rate = median(CLIENTS * len(times) / sum(times) for times in rounds)
        cells = [f"{rate:11.0f}"]
        for name, at in (("p50", 49), ("p99", 98)):
            ours, floor = ([quantiles(times, n=100)[at] for times in some] for some in (rounds, plain))
            ratio = median(a / b for a, b in zip(ours, floor, strict=True))
            passes &= ratio <= LIMITS[name]
            cells.append(f"{median(ours) * 1e3:8.2f} {ratio:6.2f}")
        print(f"{setting:12} {' '.join(cells)}   {accounts[setting]}")
    print(f"limits: p50 {LIMITS['p50']}, p99 {LIMITS['p99']}: {'ok' if passes else 'MISSED'}; no request failed")
    return passes


if __name__ == "__main__":
    sys.exit(main())
