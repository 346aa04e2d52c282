"""Waiting for changed files, with watchfiles and without."""

import threading

import pytest

from spearmint.online import file_events
from spearmint.online.file_events import FileEvents

LONG_SECONDS = 60.0


@pytest.fixture(params=["watchfiles", "nothing"])
def events(request, monkeypatch):
    if request.param == "watchfiles":
        pytest.importorskip("watchfiles")
    else:
        monkeypatch.setattr(file_events.importlib.util, "find_spec", lambda _: None)
    made = FileEvents()
    made.prepare()
    return made


def test_wait_without_a_change_ends_in_time(events, tmp_path):
    assert not events.wait(0.05, [tmp_path])


def test_wait_ends_when_woken(events, tmp_path):
    waker = threading.Timer(0.05, events.wake)
    waker.start()
    assert not events.wait(LONG_SECONDS, [tmp_path])
    waker.join()


def test_wake_before_the_wait_ends_it_once(events, tmp_path):
    events.wake()
    assert not events.wait(LONG_SECONDS, [tmp_path])
    assert not events.wait(0.05, [tmp_path])


def test_wait_for_folders_that_are_gone_ends_in_time(events, tmp_path):
    assert not events.wait(0.05, [tmp_path / "gone"])


def test_change_in_a_folder_ends_the_wait(tmp_path):
    pytest.importorskip("watchfiles")
    events = FileEvents()
    events.prepare()
    stop = threading.Event()

    def write():
        number = 0
        while not stop.wait(0.05):  # The watch begins at some moment.
            number += 1
            (tmp_path / "settings.yaml").write_text(str(number))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        assert events.wait(LONG_SECONDS, [tmp_path])
    finally:
        stop.set()
        writer.join()
