"""Which modules are the user's own code."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from spearmint.discovery.reach.table_store import table_store
from spearmint.discovery.reach.user_code import same_project_filter

ROOT = Path(__file__).parents[3]


@pytest.fixture
def modules(monkeypatch):
    def add(name, file, *, is_package=False):
        made = ModuleType(name)
        made.__file__ = file
        if is_package:
            made.__path__ = []
        monkeypatch.setitem(sys.modules, name, made)

    return add


def test_a_package_is_its_own_code_and_a_namesake_is_not():
    is_followed = same_project_filter("shop.rank")
    names = ("shop", "shop.x", "shopping", "__main__", "json", "lib.x")
    assert [is_followed(name) for name in names] == [True, True, False, True, False, False]


def test_an_instrumented_package_is_from_anywhere():
    table_store.add_packages(["lib"])
    assert same_project_filter("shop")("lib.x")
    table_store.drop_packages(["lib"])
    assert not same_project_filter("shop")("lib.x")


def test_what_lies_beside_is_and_what_lies_elsewhere_is_not(modules, tmp_path):
    modules("my_script", f"{tmp_path}/my_script.py")
    modules("my_helper", f"{tmp_path}/my_helper.py")
    modules("my_package", f"{tmp_path}/my_package/__init__.py", is_package=True)
    modules("my_far", f"{tmp_path}/far/my_far.py")
    modules("my_namespace", None, is_package=True)
    for one in ("my_script", "my_package.deep"):
        is_followed = same_project_filter(one)
        names = ("my_script", "my_helper", "my_package.x", "my_far", "my_namespace.x", "spearmint.api")
        assert [is_followed(name) for name in names] == [True, True, True, False, False, False]


@pytest.mark.parametrize("folder", ["/x/site-packages", "/x/dist-packages", str(Path(pytest.__file__).parents[1])])
def test_libraries_that_lie_side_by_side_are_not(modules, folder):
    modules("lib_one", f"{folder}/lib_one.py")
    modules("lib_two", f"{folder}/lib_two/__init__.py", is_package=True)
    assert not same_project_filter("lib_one")("lib_two")
    assert not same_project_filter("json")("logging")


@pytest.mark.slow
def test_program_is_its_package_and_the_files_beside_it(tmp_path):
    package = tmp_path / "my_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (tmp_path / "my_helper.py").touch()
    program = "import my_helper, my_package, json\n"
    program += "from spearmint.discovery.reach.user_code import same_project_filter\n"
    program += "print([same_project_filter('__main__')(n) for n in ('my_helper', 'my_package.main', 'json')])"
    (package / "main.py").write_text(program, encoding="utf-8")
    (tmp_path / "script.py").write_text(program, encoding="utf-8")
    for command in (["-m", "my_package.main"], ["script.py"]):
        done = subprocess.run(
            [sys.executable, *command], cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60
        )
        assert done.stdout == "[True, True, False]\n"
