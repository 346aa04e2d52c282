"""What does it cost to find the calls of a module?

The floor is `compile()` of the module's source. The source way is measured from the text on, parsing included, and from
a tree that is parsed already, as the import hook has it. The modules are of the standard library, small and large.
"""

import ast
import inspect
import sys
import warnings
from functools import partial
from pathlib import Path

from floor import Row, compare

from spearmint.discovery import calls_in_code, calls_in_source, calls_in_tree

SOURCE_LIMIT = 2.0
CODE_LIMIT = 4.0
MODULES = ("bisect", "argparse", "dataclasses", "asyncio.base_events", "typing", "subprocess")


def path_of(module: str) -> Path:
    """Find a module of the standard library, without importing it."""
    return Path(inspect.__file__).parent.joinpath(*module.split(".")).with_suffix(".py")


def rows() -> list[Row]:
    """Compare each module three ways."""
    made = []
    for module in MODULES:
        source = path_of(module).read_bytes()
        floor = partial(compile, source, module, "exec", dont_inherit=True)
        lines = source.count(b"\n")
        ways = (
            ("source", partial(calls_in_source, source, module), SOURCE_LIMIT),
            ("tree", partial(calls_in_tree, ast.parse(source, module)), SOURCE_LIMIT),
            ("code", partial(calls_in_code, floor()), CODE_LIMIT),
        )
        made += [
            Row(name=f"{module} ({lines}), {way}", floor=floor, ours=ours, limit=limit) for way, ours, limit in ways
        ]
    return made


def main() -> int:
    """Print the figures; return 1 when a limit is missed."""
    warnings.simplefilter("ignore")
    return int(not compare(rows(), rounds=5))


if __name__ == "__main__":
    sys.exit(main())
