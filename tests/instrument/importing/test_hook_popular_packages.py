"""Popular packages do under the hook what they do without; `benchmarks/popular_packages.py` runs more of them."""

import importlib.util

import pytest

from benchmarks.popular_packages import rewritten, run, wrapped

pytestmark = pytest.mark.slow

PACKAGES = ("click", "fastapi", "jinja2", "numpy", "pandas", "pydantic", "requests", "rich", "sklearn", "sqlalchemy")
LIGHT = ("click", "fastapi", "jinja2", "requests", "rich")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Give the processes a cache in common, which nobody else sees."""
    return tmp_path_factory.mktemp("cache")


@pytest.mark.parametrize("package", PACKAGES)
def test_rewritten_package_prints_the_same_first_and_cached(package, cache):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    plain = run(package, None, cache)
    assert (plain.returncode, plain.stderr) == (0, "")
    for _ in range(2):
        ours = run(package, rewritten(package), cache)
        assert (ours.stdout, ours.returncode) == (plain.stdout, 0), ours.stderr


@pytest.mark.parametrize("package", LIGHT)
def test_package_of_experiments_only_prints_the_same(package, cache):
    if importlib.util.find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    plain = run(package, None, cache)
    ours = run(package, wrapped(package), cache)
    assert (ours.stdout, ours.returncode) == (plain.stdout, 0), ours.stderr
