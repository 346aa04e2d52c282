"""What ``import spearmint`` costs, against importing pydantic and wrapt, in fresh processes.

Pydantic, as Spearmint, opens its rooms on first use. So the second row compares the two with their rooms open.
"""

import subprocess
import sys
from pathlib import Path

from floor import report, summary

ROOT = Path(__file__).parent.parent
ROUNDS = 15
INSTALL_LIMIT = 0.88  # half of the 1.75 that it was before the tree was put in order
QUESTIONS = (
    ("import pydantic, wrapt", "import spearmint", 1.25),
    ("import wrapt; from pydantic import BaseModel, SecretStr, TypeAdapter", "from spearmint import Spearmint", 1.6),
    (
        "import wrapt; from pydantic import BaseModel, SecretStr, TypeAdapter",
        "import spearmint; spearmint.install({'packages': ['other']})",
        INSTALL_LIMIT,
    ),
)


def seconds_to(statement: str) -> float:
    """Time a statement inside a fresh interpreter, so that the interpreter's own start does not dilute the ratio."""
    timed = f"import time; start = time.perf_counter(); {statement}; print(time.perf_counter() - start)"
    done = subprocess.run([sys.executable, "-c", timed], cwd=ROOT, check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> int:
    """Print the ratios; return 1 when one is above the limit."""
    rows = []
    for floor, ours, limit in QUESTIONS:
        for statement in (floor, ours):
            seconds_to(statement)  # compile what is not yet compiled
        rows.append(summary(ours, [(seconds_to(floor), seconds_to(ours)) for _ in range(ROUNDS)], limit))
    return 0 if report(rows) else 1


if __name__ == "__main__":
    sys.exit(main())
