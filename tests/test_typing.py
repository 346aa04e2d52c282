"""Type checkers see through the decorators: what README, the tutorial, the examples and `tests/typing` have them read.

Not with the project's own settings: users have others. mypy's strictest must do, and pyright's standard ones.
"""

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

pytest.importorskip("mypy")

ROOT = Path(__file__).parent.parent
SAMPLES = Path(__file__).with_name("typing")
PAGES = [ROOT / "README.md", ROOT / "docs" / "tutorial.md"]
EXAMPLES = sorted(path.parent for path in ROOT.glob("examples/*/main.py"))
REFUSED = SAMPLES / "refused.py"

Place = tuple[str, int]
Errors = Mapping[Place, str]
Checker = Callable[[Sequence[Path], Path], Errors]

SECONDS = 500  # a first run of mypy reads all that numpy, pandas and FastAPI declare
pytestmark = [pytest.mark.slow, pytest.mark.timeout(SECONDS + 20)]


def errors_of_mypy(files: Sequence[Path], folder: Path) -> Errors:
    command = [
        "-m",
        "mypy",
        "--config-file=",
        "--strict",
        "--no-error-summary",
        f"--cache-dir={folder.parent / 'mypy'}",
    ]
    # SciPy has no types of its own, of which the example that uses it is not to be blamed.
    command += ["--show-absolute-path", "--disable-error-code=import-untyped"]
    done = run([*command, *map(str, files)], files[0].parent, MYPYPATH=str(files[0].parent / "vendor"))
    assert done.stderr == ""
    found = re.findall(r"^(.+?):(\d+): error: (.+)$", done.stdout, re.MULTILINE)
    assert bool(found) == bool(done.returncode), done.stdout
    return {(Path(path).name, int(line)): message for path, line, message in found}


def errors_of_pyright(files: Sequence[Path], folder: Path) -> Errors:
    # basedpyright is pyright as a package that brings its own node; of its rules, those of pyright's standard mode.
    home = files[0].parent
    settings = {
        "include": list(map(str, files)),
        "typeCheckingMode": "standard",
        "extraPaths": [str(home), str(home / "vendor")],
    }
    settings_file = folder / "pyrightconfig.json"
    settings_file.write_text(json.dumps(settings), encoding="utf-8")
    command = ["-m", "basedpyright", "--outputjson", "--pythonpath", sys.executable, "--project", str(settings_file)]
    report = json.loads(run(command, folder).stdout)
    assert report["summary"]["filesAnalyzed"] == len(files)
    return {
        (Path(one["file"]).name, one["range"]["start"]["line"] + 1): one["message"]
        for one in report["generalDiagnostics"]
        if one["severity"] == "error"
    }


def run(arguments: Sequence[str], folder: Path, **variables: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


def snippets_of(page: Path, folder: Path) -> Path:
    """Write the snippets of a page into a module, on the lines that they have on the page."""
    lines = [""] * len(page.read_text(encoding="utf-8").splitlines())
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "fence" and token.info.strip() == "python":
            first, last = token.map[0] + 1, token.map[1] - 1
            lines[first:last] = token.content.splitlines()
    module = folder / f"{page.stem.lower()}.py"
    module.write_text("\n".join(lines), encoding="utf-8")
    return module


@pytest.fixture(
    scope="session",
    params=[
        pytest.param(errors_of_mypy, id="mypy"),
        pytest.param(
            errors_of_pyright,
            id="pyright",
            marks=pytest.mark.skipif(not find_spec("basedpyright"), reason="basedpyright is not installed"),
        ),
    ],
)
def errors_of(request: pytest.FixtureRequest) -> Checker:
    return request.param


def test_samples_and_pages_have_the_types_they_show(errors_of, tmp_path):
    samples = [path for path in sorted(SAMPLES.glob("*.py")) if path != REFUSED]
    assert errors_of([*samples, *(snippets_of(page, tmp_path) for page in PAGES)], tmp_path) == {}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.name)
def test_examples_are_accepted(errors_of, example, tmp_path):
    assert errors_of(sorted(example.glob("*.py")), tmp_path) == {}


def test_wrong_lines_are_refused(errors_of, tmp_path):
    lines = REFUSED.read_text(encoding="utf-8").splitlines()
    marked = {(REFUSED.name, number) for number, line in enumerate(lines, 1) if line.endswith("# refused")}
    errors = errors_of([REFUSED], tmp_path)
    assert {place: message for place, message in errors.items() if place not in marked} == {}
    assert [lines[number - 1] for _, number in sorted(marked - errors.keys())] == []
