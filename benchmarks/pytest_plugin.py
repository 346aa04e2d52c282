"""What the pytest plugin costs a session that uses no Spearmint, in fresh processes.

The floor is the same session without the plugin. A session with one test shows what starting costs, one with 2,000
tests what each test costs.
"""

import subprocess
import sys
import tempfile
import time
from importlib.metadata import entry_points
from pathlib import Path

from floor import report, summary

ROUNDS = 7
SIZES = (1, 2000)
LIMIT = 1.05
# By its entry point, unless the installed metadata is older than that.
WITH = () if entry_points(group="pytest11", name="spearmint") else ("-p", "spearmint.pytest_plugin")
WITHOUT = ("-p", "no:spearmint")


def seconds_of_session(folder: Path, arguments: tuple[str, ...]) -> float:
    """Time a whole pytest session."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, str(folder)]
    start = time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> int:
    """Print the ratios; return 1 when one is above the limit."""
    rows = []
    for size in SIZES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            tests = "import pytest\n\n@pytest.mark.parametrize('number', range({}))\ndef test_it(number): pass\n"
            (folder / "test_it.py").write_text(tests.format(size), encoding="utf-8")
            for arguments in (WITHOUT, WITH):
                seconds_of_session(folder, arguments)  # compile what is not yet compiled
            pairs = []
            for number in range(ROUNDS):  # Each is first in turn.
                sides = (WITHOUT, WITH) if number % 2 else (WITH, WITHOUT)
                taken = {side: seconds_of_session(folder, side) for side in sides}
                pairs.append((taken[WITHOUT], taken[WITH]))
        rows.append(summary(f"session of {size} tests", pairs, LIMIT))
    return 0 if report(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
