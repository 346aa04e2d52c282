"""What would other parameters do to a program whose libraries nobody here may touch? Two experiments, in YAML alone."""

import os
import py_compile
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from spearmint.config import parse_configs

HERE = Path(__file__).parent
PROGRAM = HERE / "monitor.py"
EXPERIMENTS = (
    ("SciPy's savgol_filter, whose window the program hard-codes", "third_party.yaml", "configs/filter.yaml"),
    ("The package beats, which has no source", "sourceless.yaml", "configs/beats.yaml"),
)
LINE = re.compile(r"recording \d+: right (\d+), missed (\d+), made up (\d+)")


@dataclass(frozen=True, slots=True)
class Count:
    """How many beats were found, missed and made up."""

    right: int = 0
    missed: int = 0
    made_up: int = 0

    def __add__(self, other: Self) -> Self:
        return type(self)(self.right + other.right, self.missed + other.missed, self.made_up + other.made_up)


def compile_without_source(package: Path, folder: Path) -> None:
    """Put a package into a folder as bytecode only.

    Args:
        package: Folder of its source.
        folder: Where the package is to lie.
    """
    for source in package.rglob("*.py"):
        name = source.relative_to(package.parent)
        py_compile.compile(str(source), cfile=str(folder / name.with_suffix(".pyc")), dfile=str(name), doraise=True)


def run(command: Sequence[str], path: Path) -> list[Count]:
    """Run the program in a process of its own, and read what it prints.

    Args:
        command: What stands between ``python`` and the program.
        path: Where the package without source lies.
    """
    done = subprocess.run(  # noqa: S603 - Python, on a program that stands beside this one
        [sys.executable, *command, str(PROGRAM)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(path), os.environ.get("PYTHONPATH", "")])},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return [Count(*map(int, found)) for found in LINE.findall(done.stdout)]


def make_table(configs: Sequence[Mapping[str, Any]], plain: Sequence[Count], ours: Sequence[Count]) -> Table:
    """Lay out what each config changed; recordings were taken in turns, one config after the other."""
    table = Table(box=None, pad_edge=False)
    for column in ("config", "recordings", "missed", "made up"):
        table.add_column(column, justify="left" if column == "config" else "right")
    for index, config in enumerate(configs):
        turns = slice(index, None, len(configs))
        before, after = sum(plain[turns], Count()), sum(ours[turns], Count())
        table.add_row(
            ", ".join(f"{name} {value}" for name, value in config.items()),
            str(len(ours[turns])),
            f"{before.missed} -> {after.missed}",
            f"{before.made_up} -> {after.made_up}",
        )
    return table


def main() -> None:
    """Run the program as it is and under each experiment, and print what changed."""
    console = Console()
    with tempfile.TemporaryDirectory() as name:
        compile_without_source(HERE / "vendor" / "beats", Path(name))
        plain = run([], Path(name))
        total = sum(plain, Count())
        console.print(f"As it is: {total.right} beats right, {total.missed} missed, {total.made_up} made up")
        for title, settings, configs in EXPERIMENTS:
            ours = run(["-m", "spearmint", "run", "--config", str(HERE / settings)], Path(name))
            console.print(f"\n{title}:")
            console.print(make_table(parse_configs(HERE / configs), plain, ours))


if __name__ == "__main__":
    main()
