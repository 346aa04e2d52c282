"""What does it cost to run a definition again that the settings are about, as of a function inside a function?

The floor is the first declaration of such a function, which reads its signature and validates every config: what each
run of the enclosing function would pay if nothing were kept.
"""

import sys
from collections.abc import Callable
from typing import Any

from floor import Row, compare

from spearmint.instrument.declare.declarations import Declarations
from spearmint.instrument.settings.load import read_settings
from spearmint.instrument.settings.matching import Targets

LIMIT = 0.35
CONFIGS = {"k": {"$sweep": list(range(5))}}


def declaring(name: str) -> Callable[[], Any]:
    """Return what defines a function and declares it under a name."""
    entry = {"target": "shop:**", "configs": [CONFIGS], "bindings": {"k": "k"}, "strategy": "round_robin"}
    declarations = Declarations(Targets(read_settings({"experiments": [entry]})))

    def outer() -> Any:
        def inner(text: str, k: int = 0) -> str:
            return text * k

        return declarations.declare(inner, "shop", name)

    return outer


def main() -> int:
    """Print the figures; return 1 when the limit is missed."""
    row = Row(
        name="a function inside a function, made again",
        floor=declaring("inner"),
        ours=declaring("outer.<locals>.inner"),
        limit=LIMIT,
    )
    return int(not compare([row]))


if __name__ == "__main__":
    sys.exit(main())
