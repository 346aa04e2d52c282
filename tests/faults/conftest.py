"""Faults need processes of their own."""

import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 30

PRELUDE = """
import asyncio, gc, logging, multiprocessing, os, signal, sys, threading, time
import spearmint
from spearmint import Config, Spearmint
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

# In its debug mode it warns of every step that a busy machine makes slow.
logging.getLogger("asyncio").setLevel(logging.ERROR)
spearmint.configure(background={"max_lag": 3600})  # Nor does it shed.

CONFIGS = [{"n": 0}, {"n": 1}]
shadow = Spearmint(configs=CONFIGS, strategy=ShadowStrategy)


def counts():
    stats = spearmint.background_stats()
    found = {name: getattr(stats, name) for name in stats.__slots__}
    assert 2 * found["submitted"] == sum(found.values()), found
    return {name: count for name, count in found.items() if count}
"""

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def program(tmp_path: Path) -> Program:
    """Run a program, strictly, within a deadline; what it prints is compared by whoever asks."""

    def run(
        source: str, *flags: str, prelude: str = PRELUDE, deadline: float = DEADLINE_SECONDS
    ) -> "subprocess.CompletedProcess[str]":
        path = tmp_path / "program.py"
        path.write_text(prelude + textwrap.dedent(source), encoding="utf-8")
        strict = ("-X", "dev", "-W", "error")
        return subprocess.run(
            [sys.executable, *strict, *flags, str(path)],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            timeout=deadline,
            check=False,
        )

    return run
