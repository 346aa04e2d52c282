"""Start the service, be its users for a while, and ask what was recorded: does the shadow agree with main?"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
START_SECONDS = 60
END_SECONDS = 60
USERS = ("ann", "bob", "cem", "dora", "eve", "finn")
QUERIES = ("jsno", "colections", "shutl", "asyncoi", "urlib", "mathh", "sqlight", "tomlib", "treading", "pikle")


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


def start(port: int, environment: dict[str, str]) -> "subprocess.Popen[str]":
    """Start the service and return when it answers.

    Raises:
        RuntimeError: If it ends instead.
    """
    command = [sys.executable, "-m", "uvicorn", "app:app", "--port", str(port), "--log-level", "warning"]
    # Where it fails to start, what it has said is told.
    pipe = subprocess.PIPE
    server = subprocess.Popen(command, cwd=HERE, env=environment, stderr=pipe, text=True)  # noqa: S603 - our own
    for _ in range(START_SECONDS * 10):
        try:
            get(port, "/stats")
        except urllib.error.URLError:
            try:
                server.wait(0.1)
            except subprocess.TimeoutExpired:
                continue
        else:
            return server
        break
    server.kill()
    _, errors = server.communicate()
    raise RuntimeError(f"Cannot start the service: {errors}")


def get(port: int, path: str, user: str | None = None) -> Any:
    """Ask the service as a user, and return what it answers."""
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers={"x-user-id": user} if user else {})
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - of this machine
        return json.load(answer)


def run(environment: dict[str, str]) -> dict[str, dict[str, int]]:
    """Let every user ask everything, stop the service, and return its last account."""
    port = free_port()
    server = start(port, environment)
    try:
        for query in QUERIES:
            path = f"/suggest?{urllib.parse.urlencode({'name': query})}"
            answers = [get(port, path, user) for user in USERS]
            print(f"{query:12} {', '.join(answers[0])}")
        stats: dict[str, dict[str, int]] = get(port, "/stats")
    finally:
        server.terminate()  # It waits for variants and traces, then ends.
        server.communicate(timeout=END_SECONDS)
    return stats


def main() -> None:
    """Do it all with a database of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{folder}/traces.db"}
        stats = run(environment)
        print(f"{stats['traces']['recorded']} executions, {stats['variants']['submitted']} of them in the shadow")
        command = [sys.executable, "-m", "spearmint", "traces", "--show-diffs"]
        subprocess.run(command, env=environment, check=True)  # noqa: S603 - our own


if __name__ == "__main__":
    main()
