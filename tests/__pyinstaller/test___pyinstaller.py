"""A small application, frozen for real: functions of what is frozen into it are experiments."""

import os
import shutil
import subprocess
import sys
import textwrap
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from spearmint import __pyinstaller as hooks

FREEZING_SECONDS = 900
# Of all that is installed beside the tests, what pydantic would bring along if it could.
EXCLUDED = [
    "IPython",
    "PIL",
    "anyio",
    "attr",
    "certifi",
    "cffi",
    "cryptography",
    "dns",
    "email_validator",
    "httpx",
    "hypothesis",
    "mypy",
    "numpy",
    "pygments",
    "pytest",
    "rich",
    "setuptools",
    "trio",
]
FILES = {
    "shop/__init__.py": "",
    "shop/rank.py": """
        kept = []

        def keep(function):
            kept.append(function)
            return function

        @keep
        def score(text="ab", boost=1):
            return len(text) * boost

        def search(words):
            return [score(word) for word in words]
    """,
    "settings.yaml": """
        packages: [shop]
        experiments: [{target: "shop.rank:score", configs: [{b: 3}, {b: 4}], bindings: {boost: b}, strategy: shadow}]
    """,
    "program.py": """
        import os, sys
        import spearmint

        handle = spearmint.install(os.path.join(sys._MEIPASS, "settings.yaml"))

        from shop import rank

        print(rank.search(["mint", "sage"]), rank.kept[0]("ab"), spearmint.flush(30))
        print(handle.report())
        print(spearmint.background_stats().finished)
    """,
}


def test_entry_point_leads_to_the_folder_of_the_hook():
    found = [one for one in entry_points(group="pyinstaller40") if one.value.startswith("spearmint.")]
    assert [one.name for one in found] == ["hook-dirs"]
    (folder,) = found[0].load()()
    assert (Path(folder) / "hook-spearmint.py").is_file()
    assert found[0].load() is hooks.get_hook_dirs


@pytest.mark.slow
@pytest.mark.timeout(FREEZING_SECONDS)
def test_functions_of_a_frozen_application_are_experiments(tmp_path):
    pytest.importorskip("PyInstaller", reason="PyInstaller is not installed")
    if sys.platform == "linux" and shutil.which("objdump") is None:
        pytest.skip("PyInstaller needs objdump, of binutils")
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
    options = ["--noconfirm", "--log-level", "ERROR", "--add-data", f"settings.yaml{os.pathsep}."]
    excluded = [word for name in EXCLUDED for word in ("--exclude-module", name)]
    command = [sys.executable, "-m", "PyInstaller", *options, *excluded, "program.py"]
    made = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=FREEZING_SECONDS, check=False)
    assert made.returncode == 0, made.stderr
    (tmp_path / "shop").rename(tmp_path / "gone")  # What runs is in the application.
    done = subprocess.run(
        [tmp_path / "dist" / "program" / "program"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.stdout.splitlines() == [
        "[12, 12] 6 True",
        "shop  rewritten",
        "shop.rank  rewritten",
        "shop.rank:score  1 function",
        "3",
    ]
    assert done.stderr == ""
