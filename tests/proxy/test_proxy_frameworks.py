"""Frameworks that register functions take an experiment for the function."""

import doctest
import subprocess
import sys
import types
from pathlib import Path
from typing import Annotated, Any

import pytest

from spearmint import Bind, Spearmint

mint = Spearmint(configs=[{"limit": 3}])

TEST_MODULE = """
import pytest
from spearmint import Spearmint

mint = Spearmint(configs=[{"limit": 3}])

@pytest.fixture
@mint.experiment
def text():
    return "abc"

@pytest.mark.parametrize("number", [1, 2])
@mint.experiment
def test_function(text, number, config=None):
    assert (text, config.limit) == ("abc", 3)

@mint.experiment(bindings={"limit": "limit"})
def test_binding(limit=None):
    assert limit == 3

class TestClass:
    @mint.experiment
    def test_method(self, text, config=None):
        assert (text, config.limit) == ("abc", 3)

    @mint.experiment
    def test_failure(self):
        assert 1 == 2
"""


DOCTEST_MODULE = '''
from spearmint import experiment

@experiment
def double(number):
    """Double a number.

    >>> double(2)
    4
    """
    return 2 * number
'''


def test_doctest_finds_and_runs_the_examples_in_its_docstring() -> None:
    module = types.ModuleType("sample")
    exec(DOCTEST_MODULE, vars(module))
    (found,) = [one for one in doctest.DocTestFinder().find(module) if one.examples]
    outcome = doctest.DocTestRunner().run(found)
    assert found.name == "sample.double"
    assert (outcome.failed, outcome.attempted) == (0, 1)


@pytest.mark.slow
def test_pytest_collects_experiments_as_tests_and_fixtures(tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text(TEST_MODULE, encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--rootdir={tmp_path}", str(tmp_path)]
    done = subprocess.run(
        command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False, timeout=60
    )
    assert "1 failed, 4 passed" in done.stdout, done.stdout + done.stderr
    assert "assert 1 == 2" in done.stdout


def test_a_click_command_takes_its_options_and_the_config() -> None:
    click = pytest.importorskip("click")
    testing = pytest.importorskip("click.testing")

    @click.command()
    @click.argument("text")
    @click.option("--times", type=int, default=1)
    @mint.experiment
    def repeat(text: str, times: int, limit: Annotated[int, Bind("limit")] = 0) -> None:
        """Repeat a text."""
        click.echo(text * times * limit)

    assert repeat.name == "repeat"
    assert repeat.help == "Repeat a text."
    outcome = testing.CliRunner().invoke(repeat, ["a", "--times", "2"])
    assert (outcome.exit_code, outcome.output) == (0, "aaaaaa\n")


@pytest.fixture
def fastapi() -> Any:
    return pytest.importorskip("fastapi")


def client(app: Any) -> Any:
    try:
        from fastapi.testclient import TestClient
    except (ImportError, RuntimeError) as error:  # It asks for an HTTP client that fastapi does not bring.
        pytest.skip(f"fastapi.testclient: {error}")
    return TestClient(app)


def test_a_fastapi_route_has_the_functions_parameters(fastapi) -> None:
    app = fastapi.FastAPI()

    @app.get("/search")
    @mint.experiment(bindings={"limit": "limit"})
    def search(text: str, limit: int = 0) -> dict[str, Any]:
        return {"text": text, "limit": limit}

    operation = app.openapi()["paths"]["/search"]["get"]
    assert operation["operationId"] == "search_search_get"
    assert [(one["name"], one["required"]) for one in operation["parameters"]] == [("text", True), ("limit", False)]


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_fastapi_route_runs_under_the_config(fastapi, kind) -> None:
    app = fastapi.FastAPI()

    def search(text: str) -> dict[str, Any]:
        return {"text": text, "limit": current()}

    async def asearch(text: str) -> dict[str, Any]:
        return {"text": text, "limit": current()}

    @mint.experiment
    def current(config):
        return config.limit

    app.get("/search")(mint.experiment(search if kind == "sync" else asearch))
    with client(app) as browser:
        answer = browser.get("/search", params={"text": "a"})
        assert (answer.status_code, answer.json()) == (200, {"text": "a", "limit": 3})
        assert browser.get("/search").status_code == 422
