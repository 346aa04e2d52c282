"""What does an experiment cost the requests of a service?

A FastAPI application under uvicorn, a process for each setting, all on loopback and asked in turns by the same few
clients, one request after another each. A request waits 20 ms for something else, such as a model, and computes little.

* plain: the function as it is.
* shadow: an experiment with a variant that takes 20 ms too, both traced, to MLflow in sqlite.
* MLflow down: the same, with a tracking server whose port refuses.
"""

import asyncio
import os
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

APP = """
import os, time
from fastapi import FastAPI
from spearmint import Spearmint
from spearmint.strategies import ShadowStrategy
import asyncio, spearmint

app = FastAPI()

async def answer(question: str, scale: int = 1) -> dict:
    await asyncio.sleep(0.020)
    return {"length": sum(map(ord, question * 20)) * scale}

if os.environ["SETTING"] != "plain":
    import mlflow
    configs = [{"scale": 1}, {"scale": 2}]
    mint = Spearmint(configs=configs, bindings={"scale": "scale"}, strategy=ShadowStrategy, tracing=True)
    answer = mint.experiment(answer)

@app.get("/")
async def read(question: str) -> dict:
    return await answer(question)

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
    return 0 if tell(measured, accounts) else 1


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
