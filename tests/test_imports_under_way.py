import sys
import threading

import pytest

from spearmint.imports_under_way import is_half_imported, wait_for_import

SLOW = """
from slow_gate import begun, goes_on
begun.set()
assert goes_on.wait(30)
"""


@pytest.fixture
def slow(tmp_path, monkeypatch):
    """Have another thread import the module `slow`, and return what lets the import go on."""
    (tmp_path / "slow_gate.py").write_text("import threading\nbegun, goes_on = threading.Event(), threading.Event()")
    (tmp_path / "slow.py").write_text(SLOW)
    monkeypatch.syspath_prepend(tmp_path)
    gate = __import__("slow_gate")
    importer = threading.Thread(target=__import__, args=("slow",))
    importer.start()
    assert gate.begun.wait(30)
    yield gate.goes_on
    gate.goes_on.set()
    importer.join(30)
    for name in ("slow", "slow_gate"):
        del sys.modules[name]


def test_waits_for_the_import_of_another_thread(slow):
    assert is_half_imported("slow")
    threading.Timer(0.05, slow.set).start()
    wait_for_import("slow", 30)
    assert not is_half_imported("slow")


def test_waits_no_longer_than_it_is_told(slow):
    wait_for_import("slow", 0.01)
    assert is_half_imported("slow")


def test_does_not_wait_for_a_thread_that_a_fork_has_left_behind(slow, monkeypatch):
    monkeypatch.setattr(sys, "_current_frames", dict)
    wait_for_import("slow", 1000)
    assert is_half_imported("slow")


def test_does_not_wait_for_an_import_of_its_own(tmp_path, monkeypatch):
    source = """
from spearmint.imports_under_way import is_half_imported, wait_for_import
is_half = is_half_imported("own")
wait_for_import("own", 1000)
"""
    (tmp_path / "own.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    assert __import__("own").is_half
    del sys.modules["own"]


@pytest.mark.parametrize("name", ["json", "no_such_module_here", "__main__"])
def test_whole_and_absent_modules_are_not_waited_for(name):
    assert not is_half_imported(name)
    wait_for_import(name, 1000)
