"""The package from outside: what it names, and what importing it loads."""

import ast
import importlib
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest

import spearmint

ROOT = Path(__file__).parent.parent
STUB = ast.parse((ROOT / "spearmint" / "__init__.pyi").read_text(encoding="utf-8"))

PRINT_NEW_MODULES = """
import sys
before = set(sys.modules)
{statement}
print(*sorted(set(sys.modules) - before), sep="\\n")
"""


def modules_loaded_by(statement: str) -> set[str]:
    """The modules that a statement loads in a process of its own, by their whole names."""
    command = [sys.executable, "-c", PRINT_NEW_MODULES.format(statement=statement)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return set(done.stdout.split())


def roots(modules: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in modules}


IMPORT_ALL = """
import importlib, os, pkgutil
del os.register_at_fork, os.fork
import spearmint
for module in pkgutil.walk_packages(spearmint.__path__, "spearmint."):
    if not module.name.endswith((".__main__", ".startup", ".hook-spearmint")):
        importlib.import_module(module.name)
        print(module.name)
"""


def names_in_stub() -> list[str]:
    (names,) = [
        ast.literal_eval(node.value)
        for node in STUB.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
    ]
    return list(names)


def test_import_loads_no_module_of_ours_and_no_dependency() -> None:
    loaded = modules_loaded_by("import spearmint")
    assert {name for name in loaded if name.startswith("spearmint")} == {"spearmint"}
    assert roots(loaded).isdisjoint({"asyncio", "bytecode", "mlflow", "pandas", "pydantic", "rich", "wrapt", "yaml"})


def test_declaring_loads_neither_mlflow_nor_yaml_nor_pandas() -> None:
    statement = """
from spearmint import Spearmint
@Spearmint(configs=[{"limit": 1}]).experiment()
def run(config): return config["limit"]
assert run() == 1
"""
    assert roots(modules_loaded_by(statement)).isdisjoint({"bytecode", "click", "mlflow", "pandas", "rich", "yaml"})


@pytest.mark.slow
def test_every_module_imports_where_processes_do_not_fork() -> None:
    pytest.importorskip("mlflow")
    command = [sys.executable, "-c", IMPORT_ALL]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=300)
    assert (done.returncode, done.stderr) == (0, "")
    assert {"spearmint.execution.pool", "spearmint.instrument.rewrite.gc_pause"} <= set(done.stdout.split())


@pytest.mark.slow
def test_every_public_name_imports_from_a_fresh_process() -> None:
    assert "spearmint.api" in modules_loaded_by(f"from spearmint import {', '.join(spearmint.__all__)}")


@pytest.mark.parametrize("name", spearmint.__all__)
def test_public_name_is_the_object_of_its_module(name: str) -> None:
    module = importlib.import_module(spearmint._MODULES[name])
    assert getattr(spearmint, name) is getattr(module, name)


def test_a_star_import_gives_just_the_public_names() -> None:
    names: dict[str, object] = {}
    exec("from spearmint import *", names)
    assert sorted(set(names) - {"__builtins__"}) == spearmint.__all__


def test_all_dir_and_the_stub_name_the_same() -> None:
    assert sorted(spearmint.__all__) == spearmint.__all__
    assert list(spearmint._MODULES) == spearmint.__all__
    assert sorted(names_in_stub()) == spearmint.__all__  # ruff sorts constants first
    assert set(spearmint.__all__) <= set(dir(spearmint))


def test_stub_takes_each_name_from_its_module() -> None:
    imported = {
        alias.name: node.module for node in STUB.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert imported == spearmint._MODULES


def test_dir_names_nothing_twice() -> None:
    assert spearmint.Config
    assert len(dir(spearmint)) == len(set(dir(spearmint)))


def test_unknown_name_is_an_attribute_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match=r"^module 'spearmint' has no attribute 'Experiment'$"):
        spearmint.Experiment
    with pytest.raises(ImportError, match="cannot import name 'Experiment' from 'spearmint'"):
        exec("from spearmint import Experiment")


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert spearmint.__version__ == project["version"]


def test_the_package_tells_type_checkers_that_it_is_typed() -> None:
    assert files(spearmint).joinpath("py.typed").is_file()
    assert files(spearmint).joinpath("__init__.pyi").is_file()
