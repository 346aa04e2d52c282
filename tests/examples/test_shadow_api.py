import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

pytestmark = pytest.mark.slow

EXAMPLE = Path(__file__).parents[2] / "examples" / "shadow_api"
DEADLINE_SECONDS = 110


@pytest.fixture(scope="module")
def app():
    spec = importlib.util.spec_from_file_location("shadow_api_app", EXAMPLE / "app.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules[spec.name]


def configs_of(app, user):
    main, variants = app.shadow_for_some(app.mint.configs, {"user_id": user})
    return main.method, [one.method for one in variants]


def test_the_same_users_are_shadowed_at_each_visit(app):
    users = [f"user-{number}" for number in range(1000)]
    chosen = [configs_of(app, user) for user in users]
    assert chosen == [configs_of(app, user) for user in users]
    assert {main for main, _ in chosen} == {"difflib"}
    assert 400 < sum(variants == ["trigrams"] for _, variants in chosen) < 600


@pytest.mark.parametrize("method", ["difflib", "trigrams"])
def test_both_methods_find_what_was_meant(app, method):
    assert app.suggest("colections", 3, method=method)[0] == "collections"


def test_the_caller_cannot_choose_the_method(app):
    paths = TestClient(app.app).get("/openapi.json").json()["paths"]
    assert [one["name"] for one in paths["/suggest"]["get"]["parameters"]] == ["name", "limit"]


def test_lists_that_begin_alike_agree(app):
    assert app.agree(["a", "b"], ["a"])
    assert app.agree([], [])
    assert not app.agree(["a"], ["b", "a"])


def test_served_by_uvicorn_its_shadow_is_traced_and_compared(tmp_path):
    done = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", str(EXAMPLE / "main.py")],
        env={**os.environ, "COLUMNS": "120"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "asyncoi      asyncio, asyncore, asynchat\n" in done.stdout
    assert "100 executions, 40 of them in the shadow\n" in done.stdout
    assert re.search(r"main +60 +0\.0%", done.stdout)
    assert re.search(r"variant +40 +0\.0% .* 90\.0% \[76\.9%, 96\.0%\] of 40", done.stdout)
    assert done.stdout.count('"name": "asyncoi"') == 4
    assert not list(tmp_path.iterdir())
