"""What does a read of a value under experiment cost, and the import of a package of which values are named?

    python benchmarks/values.py [--rounds 7]

Reads are those of a module constant, a class attribute, a default and a literal, each in a function that does no more:
plain, rewritten outside any case, and rewritten inside one. Imports are of a package with 100 values named, from warm
caches, in processes of their own, against the same package under the same hook without any, in time of the processor.
Both sides of each ratio are measured in turns, short ones, so that some fall between what else the machine does; the
least counts.
"""

import argparse
import importlib
import os
import subprocess
import sys
import tempfile
import timeit
from pathlib import Path

import spearmint
from spearmint import RuntimeContext, Spearmint

COUNT, TURNS = 20_000, 20
MODULES, VALUES = 20, 5
READER = """
CONSTANT = "text"
class Settings:
    attribute = "text"
def constant():
    return CONSTANT
def attribute():
    return Settings.attribute
def default(given=CONSTANT):
    return given
def literal():
    return "text"
def start():
    return constant(), attribute(), default(), literal()
"""
KINDS = {"constant": "CONSTANT", "attribute": "Settings.attribute", "default": "", "literal": 'literal#"text"'}
BODY = "    for item in sorted(items, key=len):\n        total = total + len(item) * weight\n    return total\n"
IMPORT = """
import gc, sys, time
sys.path.insert(0, sys.argv[1])
import spearmint
spearmint.install(sys.argv[2])
gc.collect()  # What reading the settings has left is not the import's.
begun = time.process_time()
import big
print(time.process_time() - begun)
"""


def reads(rounds: int) -> dict[str, dict[str, float]]:
    """Return nanoseconds for each kind of read: plain, outside a case, and inside one."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("plain_reads", "varied_reads"):
            (Path(folder) / f"{name}.py").write_text(READER)
        sys.path.insert(0, folder)
        entries = [
            {"value": f"varied_reads:{value}", "configs": [{"v": "a"}], "path": "v", "original": False}
            for value in KINDS.values()
            if value
        ]
        entries[0]["within"] = "varied_reads:start"
        with spearmint.install({"packages": ["varied_reads"], "experiments": entries}):
            plain, varied = (importlib.import_module(name) for name in ("plain_reads", "varied_reads"))
            if (varied.start(), varied.constant()) != (("a",) * len(KINDS), "text"):
                raise SystemExit("The values do not vary as they should.")
            case = Spearmint.run(varied.start)().main_result.experiment_case
            found: dict[str, dict[str, list[float]]] = {
                kind: {"plain": [], "outside": [], "inside": []} for kind in KINDS
            }
            for _ in range(rounds * TURNS):
                for kind, times in found.items():
                    read = getattr(varied, kind)
                    times["plain"].append(timeit.timeit(getattr(plain, kind), number=COUNT))
                    times["outside"].append(timeit.timeit(read, number=COUNT))
                    with RuntimeContext(case):
                        times["inside"].append(timeit.timeit(read, number=COUNT))
        sys.path.remove(folder)
    return {kind: {way: min(one) / COUNT * 1e9 for way, one in times.items()} for kind, times in found.items()}


def imports(rounds: int) -> tuple[float, float]:
    """Return the seconds of a warm import without and with 100 values named."""
    names = [f"m{number}" for number in range(MODULES)]
    entries = [
        f"  - {{value: 'big.{name}:VALUE_{index}', configs: [{{v: 1.0}}], path: v}}\n"
        for name in names
        for index in range(VALUES)
    ]
    settings = {"without": "packages: [big]\n", "with": f"packages: [big]\nexperiments:\n{''.join(entries)}"}
    times: dict[str, list[float]] = {kind: [] for kind in settings}
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    with tempfile.TemporaryDirectory() as text:
        for kind, said in settings.items():
            folder = Path(text) / kind  # Of its own, since the caches of both would be the same files.
            (folder / "big").mkdir(parents=True)
            (folder / "spearmint.yaml").write_text(said)
            (folder / "big" / "__init__.py").write_text("".join(f"from big import {name}\n" for name in names))
            for name in names:
                (folder / "big" / f"{name}.py").write_text(_module())
        for number in range(rounds + 1):
            for kind, found in times.items():
                folder = Path(text) / kind
                command = [sys.executable, "-c", IMPORT, str(folder), str(folder / "spearmint.yaml")]
                done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
                if number:  # The first round fills the caches.
                    found.append(float(done.stdout))
    return min(times["without"]), min(times["with"])


def _module() -> str:
    constants = "".join(f"VALUE_{index} = {index + 0.5}\n" for index in range(VALUES))
    weights = [f"VALUE_{index}" if index < VALUES else "1.5" for index in range(40)]
    heads = [
        f"def function_{index}(items, total=0.0):\n    weight = {weight}\n" for index, weight in enumerate(weights)
    ]
    return constants + "".join(f"{head}{BODY}\n" for head in heads)


def told(name: str, value: float, limit: float, unit: str) -> bool:
    """Print a figure with its limit, and return whether it holds."""
    shown = f"{value:+.0f} ns" if unit else f"{value:.3f}"
    print(f"{name}: {shown} (at most {limit:g}{unit}){'' if value <= limit else ' MISSED'}")
    return value <= limit


def main() -> int:
    """Measure and print; return 1 where a limit is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    held = []
    for kind, times in reads(rounds).items():
        plain = times["plain"]
        print(f"a call that reads the {kind}: {plain:.0f} ns plain")
        held.append(told("  outside a case", times["outside"] - plain, 60, " ns"))
        held.append(told("  inside a case", times["inside"] - plain, 200, " ns"))
    without, varied = imports(rounds)
    print(
        f"warm import of {MODULES} modules: {without * 1e3:.1f} ms, with {MODULES * VALUES} values {varied * 1e3:.1f}"
    )
    held.append(told("  times", varied / without, 1.05, ""))
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
