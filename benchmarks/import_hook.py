"""What importing costs under the hook, against plain importing, in fresh processes.

Bytecode goes to a folder of the benchmark's own, so that "without pyc" is just that, for installed packages too, and
``PYTHONDONTWRITEBYTECODE``, which would turn every cache off, is unset. Spearmint is imported on both sides before the
clock starts. Medians of interleaved pairs.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from floor import Measured, report

MODULES = 300
REAL = ("sqlalchemy", "sqlalchemy.orm", "sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql")
WARM_PAIRS = 15
COLD_PAIRS = 5

CHILD = """
import importlib, json, sys, time, warnings
settings, modules = json.loads(sys.argv[1])
import spearmint.instrument.install
if settings is not None:
    spearmint.install(settings)
start = time.process_time()
for name in modules:
    importlib.import_module(name)
print(time.process_time() - start)
"""

MODULE = '''\
"""Module {index} of a generated package."""

from __future__ import annotations

import dataclasses
import functools
import re
from collections.abc import Iterable, Mapping

LIMIT = {index}
_WORD = re.compile(r"\\\\w+")


@dataclasses.dataclass(slots=True)
class Item{index}:
    """One thing with a score."""

    name: str
    score: float = 0.0
    tags: tuple[str, ...] = ()

    def better(self, other: Item{index}) -> bool:
        """Compare."""
        return (self.score, len(self.tags)) > (other.score, len(other.tags))


class Ranker:
    """Ranks items in some way."""

    def __init__(self, weights: Mapping[str, float], *, limit: int = LIMIT) -> None:
        self.weights = dict(weights)
        self.limit = limit

    def score(self, item: Item{index}, boost: float = 1.0) -> float:
        """Weigh the tags of an item."""
        total = sum(self.weights.get(tag, 0.0) for tag in item.tags)
        if total < 0:
            raise ValueError(f"negative: {{total!r}} for {{item.name}}")
        return total * boost + len(words(item.name))

    def rank(self, items: Iterable[Item{index}]) -> list[Item{index}]:
        """Sort, best first."""
        scored = [(self.score(item), item) for item in items]
        scored.sort(key=lambda pair: pair[0], reverse=True)
        return [item for _, item in scored[: self.limit]]


@functools.lru_cache(maxsize=None)
def words(text: str) -> tuple[str, ...]:
    """Split."""
    return tuple(_WORD.findall(text.lower()))


def merge(left: Mapping[str, float], right: Mapping[str, float]) -> dict[str, float]:
    """Join two mappings."""
    result = dict(left)
    for key, value in right.items():
        try:
            result[key] += value
        except KeyError:
            result[key] = value
    return result


def run(texts: Iterable[str], limit: int = 10) -> list[str]:
    """Do it all."""
    items = [Item{index}(text, tags=words(text)) for text in texts]
    ranker = Ranker(merge({{"a": 1.0}}, {{"b": 2.0}}), limit=limit)
    return [item.name for item in ranker.rank(items)]
'''


@dataclass(frozen=True, slots=True)
class Question:
    """One row: which modules are imported, under which settings, and whether bytecode is there already."""

    name: str
    modules: Sequence[str]
    settings: object
    is_warm: bool
    limit: float


def generate(folder: Path) -> list[str]:
    """Write the package, and return the names of its modules."""
    package = folder / "generated"
    package.mkdir()
    (package / "__init__.py").write_text('"""Generated."""\n')
    for index in range(MODULES):
        (package / f"m{index}.py").write_text(MODULE.format(index=index))
    return [f"generated.m{index}" for index in range(MODULES)]


def seconds_to_import(modules: Sequence[str], settings: object, folder: Path, cache: Path) -> float:
    """Time the import of modules in a fresh process."""
    environment = {**os.environ, "PYTHONPATH": str(folder), "PYTHONPYCACHEPREFIX": str(cache)}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", CHILD, json.dumps([settings, modules])]
    done = subprocess.run(command, env=environment, cwd=folder, check=True, capture_output=True, text=True)
    return float(done.stdout)


def samples(question: Question, folder: Path) -> Iterator[tuple[float, float]]:
    """Yield pairs of seconds: plain, and under the hook."""
    own = [folder / "plain", folder / "ours"]
    roots = {name.partition(".")[0] for name in question.modules}
    for cache in own:
        shutil.rmtree(cache, ignore_errors=True)
    plain, ours = ((None, own[0]), (question.settings, own[1]))
    pairs = WARM_PAIRS if question.is_warm else COLD_PAIRS
    for index in range(pairs + 1):
        if not question.is_warm:
            for cache in own:
                for path in [found for root in roots for found in cache.rglob(root) if found.is_dir()]:
                    shutil.rmtree(path)
        sides = [plain, ours] if index % 2 else [ours, plain]
        found = {id(side): seconds_to_import(question.modules, side[0], folder, side[1]) for side in sides}
        if index:  # The first pair fills the caches.
            yield found[id(plain)], found[id(ours)]


def main() -> int:
    """Print the ratios; return 1 when one is above the limit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        generated = generate(folder)
        other = {"packages": ["other"], "experiments": []}
        few = [{"target": f"generated.m{index}:run", "configs": [{"limit": 3}], "bindings": {"limit": "limit"}}
               for index in range(0, MODULES, 100)]  # fmt: skip
        named = {"packages": ["generated"], "experiments": few}
        real = {"packages": ["sqlalchemy"]}
        questions = [
            Question(f"untargeted, {MODULES} modules, warm", generated, other, is_warm=True, limit=1.03),
            Question("untargeted, sqlalchemy, warm", REAL, other, is_warm=True, limit=1.03),
            Question(
                f"targeted, {MODULES} modules, warm", generated, {"packages": ["generated"]}, is_warm=True, limit=1.03
            ),
            Question("targeted, sqlalchemy, warm", REAL, real, is_warm=True, limit=1.03),
            Question(
                f"targeted, {MODULES} modules, {len(few)} experiments, warm", generated, named, is_warm=True, limit=1.03
            ),
            Question(f"first import, {MODULES} modules", generated, named, is_warm=False, limit=1.8),
            Question("first import, sqlalchemy", REAL, real, is_warm=False, limit=1.8),
        ]
        chosen = [one for one in questions if not sys.argv[1:] or any(word in one.name for word in sys.argv[1:])]
        lines = []
        for question in chosen:
            measured = list(samples(question, folder))
            plain, ours = zip(*measured, strict=True)
            # Noise only ever adds: the quickest runs of each side tell what the code costs.
            floor, own = (median(sorted(side)[: len(side) // 3 + 1]) for side in (plain, ours))
            lines.append(Measured(question.name, floor, own, own / floor, question.limit))
        return 0 if report(lines) else 1


if __name__ == "__main__":
    sys.exit(main())
