"""Functions that nobody here owns, put under experiment by the import hook, are evaluated on other processes too."""

import importlib
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor

import pytest

import spearmint
from spearmint import Spearmint

pytestmark = pytest.mark.slow

PACKAGE = """
def limit_of(text: str, limit: int = 3) -> str:
    return text[:limit]

def answer(text: str) -> str:
    return limit_of(text).upper()

MARK = "!!!"

def marked(text: str) -> str:
    return MARK + text[:2]
"""
SETTINGS = {
    "packages": ["borrowed_package"],
    "experiments": [
        {
            "target": "borrowed_package:limit_of",
            "configs": [{"n": 2}, {"n": 4}],
            "bindings": {"limit": "n"},
            "strategy": "shadow",
        },
        {"target": "borrowed_package:answer"},
    ],
}
VALUE_SETTINGS = {
    "packages": ["borrowed_package"],
    "experiments": [
        {"value": "borrowed_package:MARK", "within": "borrowed_package:marked", "configs": [{"v": "?"}], "path": "v"},
        {"value": "borrowed_package:marked#2", "configs": [{"v": 5}], "path": "v"},
    ],
}
ROWS = [{"text": "abcdef"}, {"text": "xyz"}]


@pytest.fixture
def borrowed(tmp_path, monkeypatch):
    (tmp_path / "borrowed_package.py").write_text(PACKAGE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with spearmint.install(SETTINGS):
        yield importlib.import_module("borrowed_package")
    sys.modules.pop("borrowed_package", None)


@pytest.fixture
def marked(borrowed):
    """The same module, whose constant and literal vary and no function's parameter."""
    spearmint.uninstall()
    sys.modules.pop("borrowed_package", None)
    with spearmint.install(VALUE_SETTINGS):
        yield importlib.import_module("borrowed_package").marked


def size(outputs) -> int:
    return len(outputs)


def evaluated(function, executor=None):
    report = Spearmint().evaluate(function, ROWS, scorers={"size": size}, executor=executor)
    return [
        (case.case_id, one.estimate.value, one.errors) for case, one in zip(report.cases, report.summary(), strict=True)
    ]


def test_workers_of_a_process_pool_install_the_same(borrowed):
    here = evaluated(borrowed.answer)
    assert [(value, errors) for _, value, errors in here] == [(2, 0), (3.5, 0)]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        assert evaluated(borrowed.answer, pool) == here
        assert evaluated(borrowed.limit_of, pool) == evaluated(borrowed.limit_of)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
@pytest.mark.skipif(sys.platform == "win32", reason="a fork server")
def test_values_vary_in_a_process_pool(marked, method):
    here = evaluated(marked)
    assert sorted(value for _, value, _ in here) == [3, 5, 5, 7]
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as pool:
        assert evaluated(marked, pool) == here


@pytest.mark.filterwarnings("default")  # dask's own, while a cluster starts and ends
def test_workers_of_a_cluster_install_the_same(borrowed):
    distributed = pytest.importorskip("distributed")
    here = evaluated(borrowed.answer)
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as client,
    ):
        assert evaluated(borrowed.answer, client.get_executor()) == here
