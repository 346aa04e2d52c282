"""Both extractors on a part of the standard library. benchmarks/parity.py does all of it."""

import sysconfig
import warnings
from pathlib import Path

import pytest

from spearmint.discovery import calls_in_code, calls_in_source

pytestmark = pytest.mark.slow

PARTS = (
    "*.py",
    "asyncio/*.py",
    "concurrent/futures/*.py",
    "email/*.py",
    "importlib/*.py",
    "json/*.py",
    "unittest/*.py",
)
SKIPPED = frozenset("abcdefghijklm")  # The first letters of modules at the top that are left to the benchmark.


def files():
    root = Path(sysconfig.get_path("stdlib"))
    return sorted(
        path for part in PARTS for path in root.glob(part) if path.parent != root or path.name[0] not in SKIPPED
    )


@pytest.mark.parametrize("optimize", [0, 2])
def test_both_extractors_find_the_same_in_the_standard_library(optimize):
    compared = 0
    for path in files():
        source = path.read_bytes()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            code = compile(source, path.name, "exec", dont_inherit=True, optimize=optimize)
            from_source = calls_in_source(source, path.name, optimize=optimize)
        from_code = calls_in_code(code)
        assert from_source == from_code, path
        compared += len(from_code)
    assert compared > 2000
