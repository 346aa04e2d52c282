"""Code outside the reads of values, on a part of the standard library. benchmarks/read_parity.py does all of it."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"


@pytest.mark.parametrize("folder", ["asyncio", "concurrent", "email"])
def test_code_stays_the_same_outside_the_reads_of_values(folder):
    command = [sys.executable, str(BENCHMARKS / "read_parity.py"), "--under", folder]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"(\d+) reads rewritten", done.stdout)[1]) > 10


def test_reads_are_those_of_the_source_with_and_without_it():
    command = [sys.executable, str(BENCHMARKS / "value_parity.py"), "--under", "concurrent"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)

    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.search(r"reads: .*?(\d+) literal", done.stdout)[1]) > 10
