"""Do both extractors find the same calls? Compared over whole libraries, scope by scope.

    python benchmarks/parity.py                       the standard library, tests and site-packages aside
    python benchmarks/parity.py sqlalchemy pandas     installed packages
    python benchmarks/parity.py --optimize 2 --under test

Every difference is printed. Status 1 when fewer scopes are equal than asked: all of the standard library's, 99.99 % of
a package's.
"""

import argparse
import ast
import sys
import sysconfig
import warnings
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.machinery import PathFinder
from pathlib import Path

from spearmint.discovery import CallTable, calls_in_code, calls_in_tree, is_supported

STANDARD_LIBRARY_LIMIT = 100.0
PACKAGES_LIMIT = 99.99
LEFT_OUT = frozenset({"site-packages", "dist-packages", "lib2to3", "test", "tests", "idle_test"})


@dataclass
class Tally:
    """What was compared so far."""

    files: int = 0
    scopes: int = 0
    equal: int = 0
    same_columns: int = 0
    sites: Counter[str] = field(default_factory=Counter)
    unreadable: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)

    @property
    def percent(self) -> float:
        """The share of equal scopes."""
        return 100 * self.equal / self.scopes if self.scopes else 0.0

    def add(self, name: str, source: bytes, optimize: int) -> None:
        """Compare the scopes of one file."""
        try:
            tree = ast.parse(source, name)
            code = compile(source, name, "exec", dont_inherit=True, optimize=optimize)
        except (SyntaxError, ValueError) as error:
            self.unreadable.append(f"{name}: {error}")
            return
        self.files += 1
        from_tree = calls_in_tree(tree, optimize=optimize)
        from_code = calls_in_code(code)
        for scope in {**from_tree, **from_code}:
            self._compare(f"{name} {scope}", from_tree.get(scope), from_code.get(scope))

    def _compare(self, where: str, in_tree: CallTable | None, in_code: CallTable | None) -> None:
        self.scopes += 1
        if in_tree is None or in_code is None:
            self.differences.append(f"{where}: a scope only in the {'code' if in_tree is None else 'source'}")
            return
        self.sites.update(site.kind for site in in_code.sites)
        if in_tree == in_code:
            self.equal += 1
            self.same_columns += in_tree.sites == in_code.sites
            return
        for side, extra in (
            ("source", {*in_tree.sites} - {*in_code.sites}),
            ("code", {*in_code.sites} - {*in_tree.sites}),
        ):
            self.differences.extend(f"{where}: only in the {side}: {site}" for site in sorted(extra))
        if in_tree.first_line != in_code.first_line:
            self.differences.append(f"{where}: starts on {in_tree.first_line} in the source, {in_code.first_line} not")


def standard_library(under: str) -> Iterator[tuple[str, bytes]]:
    """Give the files of the running standard library, which may lie in an archive."""
    archives = [Path(entry) for entry in sys.path if entry.endswith(".zip") and Path(entry).is_file()]
    root = Path(sysconfig.get_path("stdlib"))
    skipped = LEFT_OUT - set(Path(under).parts)
    found: list[tuple[Path, Path]] = [(path.relative_to(root), path) for path in sorted(root.rglob("*.py"))]
    for relative, path in found:
        if relative.is_relative_to(under) and not skipped & set(relative.parts):
            yield relative.as_posix(), path.read_bytes()
    for archive in archives:
        with zipfile.ZipFile(archive) as opened:
            for name in sorted(opened.namelist()):
                if name.endswith(".py") and Path(name).is_relative_to(under) and not skipped & set(Path(name).parts):
                    yield name, opened.read(name)


def package(name: str) -> Iterator[tuple[str, bytes]]:
    """Give the files of an installed package, without importing it."""
    spec = PathFinder.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"Cannot compare {name!r}: no such package. Install it into {sys.prefix}.")
    for folder in map(Path, spec.submodule_search_locations):
        for path in sorted(folder.rglob("*.py")):
            yield path.relative_to(folder.parent).as_posix(), path.read_bytes()


def measure(title: str, files: Iterator[tuple[str, bytes]], optimize: int, limit: float) -> bool:
    """Compare files, print the result, and tell whether it is within the limit."""
    tally = Tally()
    for name, source in files:
        tally.add(name, source, optimize)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.sites.items()))
    print(f"{title}: {tally.files} files, {tally.scopes} scopes ({kinds})")
    for line in tally.unreadable:
        print(f"  not compiled by this Python: {line}")
    for line in tally.differences:
        print(f"  {line}")
    columns = 100 * tally.same_columns / tally.scopes if tally.scopes else 0.0
    print(f"  equal {tally.percent:.4f} %, columns too {columns:.4f} %  (limit {limit:.2f} %)")
    return tally.percent >= limit


def main(arguments: list[str] | None = None) -> int:
    """Print the figures; return 1 when a limit is missed."""
    parser = argparse.ArgumentParser(description="Compare what the two extractors find.")
    parser.add_argument("packages", nargs="*", help="installed packages; none: the standard library")
    parser.add_argument("--optimize", type=int, choices=(0, 1, 2), default=0, help="optimisation level")
    parser.add_argument("--under", default="", help="only this folder of the standard library")
    chosen = parser.parse_args(arguments)
    if not is_supported():
        print("this interpreter is not supported")
        return 1
    warnings.simplefilter("ignore")  # Invalid escapes and the like are the libraries' own affair.
    version = ".".join(map(str, sys.version_info[:3]))
    print(f"CPython {version}, optimisation level {chosen.optimize}")
    if not chosen.packages:
        files = standard_library(chosen.under)
        return int(not measure("standard library", files, chosen.optimize, STANDARD_LIBRARY_LIMIT))
    within = [measure(name, package(name), chosen.optimize, PACKAGES_LIMIT) for name in chosen.packages]
    return int(not all(within))


if __name__ == "__main__":
    sys.exit(main())
