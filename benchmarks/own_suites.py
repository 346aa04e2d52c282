"""Do packages' own suites give the same with every function an experiment without configs, and how much slower?

    python benchmarks/own_suites.py                     all packages
    python benchmarks/own_suites.py click toolz --keep  some; the folder with sources and reports stays
    python benchmarks/own_suites.py --values            with fifty values named at their original instead

Each suite comes from the package's sdist, and runs twice in processes of its own: plain, and under `spearmint run`.
With --values, the only config of each value is what stands in the code, and the functions that read it make the cases.
Status 1 when a test ends otherwise, or a suite takes more than 3 times as long.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import time
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from spearmint.instrument.naming.static_modules import code_for_reading, find_module, matching_modules
from spearmint.instrument.rewrite.value_links import ValueLinks
from spearmint.instrument.rewrite.value_rewrite import rewrite_reads
from spearmint.instrument.settings.value_target import ValueTargets, parse_value
from spearmint.instrument.values.static_values import static_values

LIMIT = 3.0
VALUES = 50


@dataclass(frozen=True)
class Suite:
    """Where a package's tests are, and what they need."""

    package: str
    tests: str = "tests"
    needs: tuple[str, ...] = ()
    options: tuple[str, ...] = ()


SUITES: Mapping[str, Suite] = {
    "click": Suite("click"),
    "jinja2": Suite("jinja2", needs=("trio",)),
    "structlog": Suite(
        "structlog",
        needs=("freezegun", "pretend", "pytest-asyncio", "time-machine", "twisted"),
        options=("-p", "asyncio"),
    ),
    "more-itertools": Suite("more_itertools"),
    "toolz": Suite("toolz", tests="."),
    "cachetools": Suite("cachetools"),
    "networkx": Suite("networkx", tests="networkx/classes"),
}


def run(command: Sequence[str], folder: Path) -> tuple[float, str]:
    """Run a command, and give its duration in seconds and its last lines."""
    # Or pytest would warn, which may be an error, that it cannot rewrite our plugin, which is imported already.
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    started = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    return time.perf_counter() - started, (done.stdout + done.stderr)[-2000:]


def source_of(name: str, folder: Path) -> Path:
    """Fetch and unpack the sdist of a package, and install the package from it."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    subprocess.run([*pip, "download", "--no-deps", "--no-binary", ":all:", "-d", folder, name], check=True)
    (archive,) = folder.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        opened.extractall(folder, filter="data")
    archive.unlink()
    (source,) = (path for path in folder.iterdir() if path.is_dir())
    subprocess.run([*pip, "install", "--no-deps", source], check=True)
    if needs := SUITES[name].needs:  # with all that they need themselves
        subprocess.run([*pip, "install", *needs], check=True)
    return source


def outcomes(report: Path) -> dict[str, str]:
    """Read how each test ended from pytest's report."""
    found = {}
    for case in ET.parse(report).iter("testcase"):  # noqa: S314 - pytest wrote it just now
        kinds = [child.tag for child in case if child.tag in ("error", "failure", "skipped")]
        found[f"{case.get('classname')}::{case.get('name')}"] = kinds[0] if kinds else "passed"
    return found


def everything(package: str) -> list[Any]:
    """Return settings that make every function an experiment."""
    return [{"target": f"{package}:**"}, {"target": f"{package}.*:**"}]


def values_as_written(package: str) -> list[Any]:
    """Return settings for fifty values that functions of a package read, evenly spread, each as it stands there."""
    codes = {}
    for module in matching_modules(package):
        if ".tests" in module:
            continue
        spec = find_module(module)
        code = code_for_reading(spec) if spec and spec.loader else None
        if code is not None:
            codes[module] = code, spec.submodule_search_locations is not None
    original = {
        f"{module}:{one.name}": one.value
        for module, (code, _) in codes.items()
        for one in static_values(code)
        if type(one.value) in (bool, int, float, str)
    }
    values = ValueTargets(map(parse_value, original))
    links = ValueLinks(values)
    readers: dict[str, set[str]] = {}
    rebound = set()
    for module, (code, is_package) in codes.items():
        for site in rewrite_reads(code, module, is_package=is_package, values=values)[1]:
            name = site.path if site.kind == "literal" else links.name_of(site.path)
            if site.kind == "rebound":
                rebound.add(name)
            elif name is not None and not {"<", "#"} & set(site.scope):
                readers.setdefault(name, set()).add(f"{module}:{site.scope}")
    found = [name for name in original if name in readers and name not in rebound]
    return [
        {
            "value": name,
            "within": sorted(readers[name]),
            "configs": [{"__config_id__": "as written", "v": original[name]}],
            "path": "v",
            "original": False,
        }
        for name in found[:: max(1, len(found) // VALUES)][:VALUES]
    ]


def compare(name: str, folder: Path, *, with_values: bool) -> bool:
    """Run a suite both ways, print what differs and how long it took, and tell whether that is within the limit."""
    suite, source = SUITES[name], source_of(name, folder)
    settings = folder / "settings.yaml"
    entries = values_as_written(suite.package) if with_values else everything(suite.package)
    said = {"packages": [suite.package], "experiments": entries}
    settings.write_text(yaml.safe_dump(said, allow_unicode=True, sort_keys=False), encoding="utf-8")
    pytest = ["-m", "pytest", "-q", "-p", "no:cacheprovider", *suite.options, suite.tests]
    plain, under = folder / "plain.xml", folder / "under.xml"
    spearmint = ["-m", "spearmint", "run", "--config", str(settings)]
    seconds, words = run([sys.executable, *pytest, f"--junitxml={plain}"], source)
    slower, words_under = run([sys.executable, *spearmint, *pytest, f"--junitxml={under}"], source)
    for report, said in ((plain, words), (under, words_under)):
        if not report.exists():
            print(f"{name}: no report of pytest\n{said}")
            return False
    before, after = outcomes(plain), outcomes(under)
    changed = sorted(test for test in {**before, **after} if before.get(test) != after.get(test))
    passed = list(before.values()).count("passed")
    ratio = slower / seconds
    what = f"{len(entries)} values" if with_values else "every function"
    print(f"{name}, {what}: {passed} of {len(before)} pass; {seconds:.1f} s plain, {slower:.1f} s, ratio {ratio:.2f}")
    for test in changed:
        print(f"  {test}: {before.get(test)}, now {after.get(test)}")
    return not changed and ratio <= LIMIT


def main() -> int:
    """Compare the suites; return 1 when one differs, or takes longer than it may."""
    parser = argparse.ArgumentParser(description="Run packages' own suites with every function an experiment.")
    parser.add_argument("packages", nargs="*", choices=[*SUITES, []], default=[], help="none: all")
    parser.add_argument("--keep", action="store_true", help="leave sources and reports where they are")
    parser.add_argument("--values", action="store_true", help="name fifty values at their original")
    chosen = parser.parse_args()
    within = []
    for name in chosen.packages or SUITES:
        folder = Path(tempfile.mkdtemp(prefix=f"suite-{name}-"))
        within.append(compare(name, folder, with_values=chosen.values))
        if chosen.keep:
            print(f"  kept in {folder}")
    return int(not all(within))


if __name__ == "__main__":
    sys.exit(main())
