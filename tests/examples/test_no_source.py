import importlib.util
import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "no_source"


@pytest.fixture(scope="module")
def main() -> ModuleType:
    spec = importlib.util.spec_from_file_location("no_source_main", EXAMPLE / "main.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


@pytest.fixture(scope="module")
def compiled(main, tmp_path_factory) -> Path:
    """A folder with the package, as bytecode alone."""
    folder = tmp_path_factory.mktemp("vendor")
    main.compile_without_source(EXAMPLE / "vendor" / "beats", folder)
    return folder


@pytest.fixture(scope="module")
def plain(main, compiled):
    return main.run([], compiled)


def under(main, compiled, settings):
    return main.run(["-m", "spearmint", "run", "--config", str(EXAMPLE / settings)], compiled)


def test_the_package_is_there_as_bytecode_alone(compiled):
    assert {path.name for path in (compiled / "beats").iterdir()} == {"__init__.pyc", "detect.pyc"}


def test_only_settings_and_comparison_mention_spearmint():
    for path in (EXAMPLE / "monitor.py", *(EXAMPLE / "vendor").rglob("*.py")):
        code = path.read_text(encoding="utf-8")
        assert "spearmint" not in code.replace("It knows nothing of Spearmint", "")


@pytest.mark.parametrize("settings", ["third_party.yaml", "sourceless.yaml"])
def test_the_first_config_changes_nothing_and_the_others_do(main, compiled, plain, settings):
    ours = under(main, compiled, settings)
    assert len(ours) == len(plain) == 16
    assert ours[::4] == plain[::4]
    assert all(ours[turn::4] != plain[turn::4] for turn in (1, 2, 3))


def test_unreachable_parameter_removes_all_false_beats(main, compiled, plain):
    ours = under(main, compiled, "sourceless.yaml")
    assert sum(count.made_up for count in plain[1::4]) > 0
    assert sum(count.made_up for count in ours[1::4]) == 0


@pytest.mark.parametrize("settings", ["third_party.yaml", "sourceless.yaml"])
def test_the_settings_pass_the_check(compiled, settings):
    done = subprocess.run(
        [sys.executable, "-m", "spearmint", "check", str(EXAMPLE / settings)],
        env={**os.environ, "PYTHONPATH": str(compiled)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_the_page_shows_what_the_example_prints():
    done = subprocess.run(
        [sys.executable, str(EXAMPLE / "main.py")], capture_output=True, text=True, timeout=100, check=True
    )
    page = (EXAMPLE / "README.md").read_text(encoding="utf-8")
    shown = page.split("$ python examples/no_source/main.py\n")[1].split("```")[0]
    assert [line.split() for line in done.stdout.splitlines()] == [line.split() for line in shown.splitlines()]
    assert done.stderr == ""
