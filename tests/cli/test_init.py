"""`spearmint init`: what could vary, a settings file of it, and a first look at what matters."""

import compileall
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FILES = {
    "store/__init__.py": "",
    "store/prompts.py": 'SYSTEM_PROMPT = "You are a helpful assistant that knows about a shop."\nUNREAD = 7\n',
    "store/settings.py": "class Search:\n    top_k = 5\n    flag = True\n",
    "store/api.py": (
        "import typing\n"
        "import helper_sdk\n"
        "from store.prompts import SYSTEM_PROMPT\n"
        "from store.settings import Search\n"
        "def answer(q, tone: typing.Literal['dry', 'warm'] = 'dry'):\n"
        "    helper_sdk.create(q)\n"
        "    return len(SYSTEM_PROMPT) + rank(q) * Search.top_k\n"
        "def rank(q):\n"
        "    return len(q) * 0.75 + 1\n"
        "def unreached(x=3): return 0.33\n"
    ),
    "helper_sdk.py": "def create(text, temperature=0.5, verbose=False): return text\n",
    "judge.py": "def size(outputs): return outputs\n",
}


@pytest.fixture
def store(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def run(*arguments):
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200"}
        command = [sys.executable, "-m", "spearmint", *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    return tmp_path, run


@pytest.mark.slow
@pytest.mark.parametrize("form", ["source", "pyc"])
def test_init_lists_what_could_vary_and_writes_what_passes(store, form):
    folder, run = store
    if form == "pyc":
        compileall.compile_dir(folder / "store", quiet=2, legacy=True)
        for path in (folder / "store").glob("*.py"):
            path.unlink()
        shutil.rmtree(folder / "store" / "__pycache__", ignore_errors=True)

    result = run("init", "store.api:answer", "--write", "spearmint.yaml")

    assert result.returncode == 0, result.stderr
    told = [line.split()[:2] for line in result.stdout.splitlines()]
    assert told == [
        ["prompt", "store.prompts:SYSTEM_PROMPT"],
        ["attribute", "store.settings:Search.top_k"],
        ["parameter", "helper_sdk:create"],
        ["literal", "store.api:rank#0.75"],
        ["parameter", "store.api:answer"],
        ["parameter", "helper_sdk:create"],
    ]
    assert "store.api, line 9" in result.stdout
    written = (folder / "spearmint.yaml").read_text()
    assert written.count("\n  - ") == 1
    check = run("check")
    assert (check.returncode, check.stderr) == (0, "")
    assert "values: 1, read in 1 places." in check.stdout
    (folder / "spearmint.yaml").write_text(written.replace("  # - ", "  - ").replace("  #   ", "    "))
    assert run("check").returncode == 0
    program = "import store.api, spearmint; r = spearmint.Spearmint.run(store.api.answer)('abc'); print(r.plan.sizes)"
    ran = run("run", "-c", program)
    assert ran.returncode == 0, ran.stderr
    assert "'store.prompts:SYSTEM_PROMPT': 1" in ran.stdout


@pytest.mark.slow
def test_init_with_data_tells_what_matters(store):
    folder, run = store
    (folder / "rows.jsonl").write_text("".join(json.dumps({"q": "a" * n}) + "\n" for n in range(1, 25)))
    arguments = ("init", "store.api:answer", "--data", "rows.jsonl", "--scorer", "judge:size")

    result = run(*arguments)

    assert result.returncode == 0, result.stderr
    assert "Screening 6 of 6 on 24 rows: 240 cells." in result.stderr
    assert "SYSTEM_PROMPT: value" in result.stdout
    assert "rank#0.75: value" in result.stdout
    assert "higher" in result.stdout

    small = run(*arguments, "--budget-cells", "60")
    assert "Screening 1 of 6 on 24 rows: 48 cells." in small.stderr
    none = run(*arguments, "--budget-cells", "20")
    assert none.returncode == 2
    assert "Give a budget of 48, or at most 10 rows" in none.stderr


@pytest.mark.slow
def test_init_refuses_what_it_cannot_do(store):
    folder, run = store
    (folder / "spearmint.yaml").write_text("packages: [store]\n")

    there = run("init", "store.api:answer", "--write", "spearmint.yaml")
    alone = run("init", "store.api:answer", "--scorer", "judge:size")
    missing = run("init", "store.api:answr")
    dull = run("init", "judge:size")

    assert (there.returncode, "it is there already" in there.stderr) == (2, True)
    assert (folder / "spearmint.yaml").read_text() == "packages: [store]\n"
    assert (alone.returncode, "both --data and --scorer" in alone.stderr) == (2, True)
    assert (missing.returncode, "Cannot look into 'store.api:answr'" in missing.stderr) == (1, True)
    assert (dull.returncode, "Nothing that 'judge:size' reaches could vary" in dull.stderr) == (1, True)
