"""What ``import spearmint`` costs, against importing pydantic and wrapt, in fresh processes."""

import subprocess
import sys
from pathlib import Path

from floor import report, summary

ROOT = Path(__file__).parent.parent
FLOOR = "import pydantic, wrapt"
OURS = "import spearmint"
ROUNDS = 15
LIMIT = 1.25


def seconds_to(statement: str) -> float:
    """Time a statement inside a fresh interpreter, so that the interpreter's own start does not dilute the ratio."""
    timed = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    done = subprocess.run([sys.executable, "-c", timed], cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> int:
    """Print the ratio; return 1 when it is above the limit."""
    for statement in (FLOOR, OURS):
        seconds_to(statement)  # compile what is not yet compiled
    samples = [(seconds_to(FLOOR), seconds_to(OURS)) for _ in range(ROUNDS)]
    return 0 if report([summary(OURS, samples, LIMIT)]) else 1


if __name__ == "__main__":
    sys.exit(main())
