"""What the comparisons of whole libraries share: which files they go over, and how they tell what they found."""

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from parity import package, standard_library

from spearmint.discovery import is_supported

Files = Iterator[tuple[str, bytes]]


@dataclass
class Found:
    """What a comparison found.

    Attributes:
        unreadable: Files that this Python does not compile, and why.
        differences: What is not as it should be, each with its place.
    """

    unreadable: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    def tell(self) -> bool:
        """Print all of it, and tell whether nothing differs."""
        for line in self.unreadable:
            print(f"  not compiled by this Python: {line}")
        for line in self.differences:
            print(f"  {line}")
        print(f"  differences: {len(self.differences)}  (limit 0)")
        return not self.differences


def compare_libraries(description: str | None, measure: Callable[[str, Files], bool]) -> int:
    """Compare the packages that the command line names, else the standard library; return 1 where something differs.

    Args:
        description: What the command's help begins with.
        measure: Compares the files of a title, prints the result, and tells whether all is the same.
    """
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("packages", nargs="*", help="instead of the standard library")
    parser.add_argument("--under", default="", help="only this folder of the standard library")
    options = parser.parse_args()
    if not is_supported():
        raise SystemExit("Cannot compare: this Python is not supported.")
    files = {name: package(name) for name in options.packages} or {
        f"standard library of {sys.version.split()[0]}": standard_library(options.under)
    }
    results = [measure(title, found) for title, found in files.items()]  # All of them, whatever one says.
    return 0 if all(results) else 1
