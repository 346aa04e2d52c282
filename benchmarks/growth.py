"""Do time and memory per item stay flat as a program grows?

Each question is asked at two sizes, each in a process of its own. The floor is the smaller size; what counts is the
time of one item at the larger size in times of that, and the same of its memory.

* plan: the first plan of an experiment that reaches so many functions, one of them an experiment.
* declarations: so many experiments declared, each of two configs.
* methods: so many calls of a method, each on an instance of its own.
* functions in functions: so many runs of a function that declares an experiment within itself.
* settings: `install` of a settings file with so many entries; seconds of all of it have a limit of their own.
"""

import gc
import json
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Callable
from pathlib import Path
from statistics import median

import spearmint
from spearmint import Config, Spearmint

ROUNDS = 3
SIZES = {
    "plan": (1_000, 10_000),
    "declarations": (100, 1_000),
    "methods": (100_000, 1_000_000),
    "functions in functions": (10_000, 100_000),
    "settings": (100, 1_000),
}
TIME_LIMIT, MEMORY_LIMIT = 1.5, 1.5
SETTINGS_SECONDS = 0.5
NOTHING = 500  # bytes of an item, of which the allocator's pages are a large part
CONFIGS = [{"n": 1}, {"n": 2}]


def plan(size: int) -> Callable[[], object]:
    """Prepare a module whose functions call each the next, nine at a time, and the last an experiment."""
    lines = ["def root(n=0):", "    return f0()"]
    for number in range(size):
        calls = ", ".join(f"f{one}()" for one in range(10 * number + 1, 10 * number + 11) if one < size)
        lines += [f"def f{number}():", f"    return {calls or 'leaf()'}"]
    lines += ["def leaf(n=0):", "    return n"]
    module = types.ModuleType("grown")
    sys.modules["grown"] = module
    exec(compile("\n".join(lines), "grown.py", "exec"), vars(module))  # noqa: S102 - it is written above
    mint = Spearmint(configs=CONFIGS, bindings={"n": "n"})
    module.leaf, module.root = mint.experiment(module.leaf), mint.experiment(module.root)
    return module.root


def declarations(size: int) -> Callable[[], object]:
    """Prepare functions to be declared."""
    names: dict[str, types.FunctionType] = {}
    text = "\n".join(f"def f{number}(n=0): return n" for number in range(size))
    exec(compile(text, "declared.py", "exec"), {"__name__": "declared"}, names)  # noqa: S102 - it is written above

    def declare() -> object:
        return [Spearmint(configs=CONFIGS, bindings={"n": "n"}).experiment(one) for one in names.values()]

    return declare


def methods(size: int) -> Callable[[], object]:
    """Prepare a class with an experiment."""

    class Ours:
        @Spearmint(configs=CONFIGS, bindings={"n": "n"}).experiment
        def method(self, n: int = 0) -> int:
            return n

    def call() -> None:
        for _ in range(size):
            Ours().method()

    return call


def functions_in_functions(size: int) -> Callable[[], object]:
    """Prepare a function that declares one."""
    mint = Spearmint(configs=CONFIGS)

    def outer() -> int:
        @mint.experiment
        def inner(config: Config) -> int:
            return config["n"]

        return inner()

    def call() -> None:
        for _ in range(size):
            outer()

    return call


def settings(size: int) -> Callable[[], object]:
    """Prepare a settings file."""
    entries = "".join(
        f"  - target: shop.module{number}:rank\n    configs: [{{limit: {number}}}, {{limit: 0}}]\n"
        f"    bindings: {{limit: limit}}\n    strategy: round_robin\n"
        for number in range(size)
    )
    path = Path(tempfile.mkdtemp()) / "spearmint.yaml"
    path.write_text(f"experiments:\n{entries}", encoding="utf-8")
    return lambda: spearmint.install(path)


def measure(question: str, size: int) -> tuple[float, float]:
    """Return the seconds, and the bytes that are left, of one item; in a process that does nothing else."""
    prepare: Callable[[int], Callable[[], object]] = globals()[question.replace(" ", "_")]
    globals()[question.replace(" ", "_")](2)()  # What is imported once is no growth.
    work = prepare(size)
    gc.collect()
    before, start = resident_bytes(), time.perf_counter()
    kept = work()
    seconds = time.perf_counter() - start
    gc.collect()
    after = resident_bytes()
    del kept
    return seconds / size, (after - before) / size


def resident_bytes() -> int:
    """Return what this process holds of the machine's memory."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def measured_elsewhere(question: str, size: int) -> tuple[float, float]:
    """Do as `measure` in a process of its own."""
    done = subprocess.run([sys.executable, __file__, question, str(size)], capture_output=True, text=True, check=True)
    seconds, size_of_one = json.loads(done.stdout)
    return seconds, size_of_one


def main() -> int:
    """Print the table; return 1 when a limit is missed."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], int(sys.argv[2]))))
        return 0
    passes = True
    print(f"{'':24}{'items':>10}  {'µs each':>9}  {'ratio':>6}  {'bytes each':>10}  {'ratio':>6}")
    for question, (small, large) in SIZES.items():
        rounds = [(measured_elsewhere(question, small), measured_elsewhere(question, large)) for _ in range(ROUNDS)]
        time_ratio = median(after[0] / before[0] for before, after in rounds)
        kept = [median(pair[side][1] for pair in rounds) for side in (0, 1)]
        memory_ratio = 0.0 if kept[1] < NOTHING else kept[1] / max(kept[0], NOTHING)
        seconds = median(pair[1][0] for pair in rounds)
        is_ok = time_ratio <= TIME_LIMIT and memory_ratio <= MEMORY_LIMIT
        if question == "settings":
            is_ok &= seconds * large <= SETTINGS_SECONDS
        passes &= is_ok
        cells = f"{large:10,}  {seconds * 1e6:9.2f}  {time_ratio:6.2f}  {kept[1]:10,.0f}  {memory_ratio:6.2f}"
        print(f"{question:24}{cells}  {'ok' if is_ok else 'MISSED'}")
    print(f"limits: time {TIME_LIMIT}, memory {MEMORY_LIMIT}, {SETTINGS_SECONDS} s for the settings file")
    return 0 if passes else 1


if __name__ == "__main__":
    sys.exit(main())
