"""Some requests run at once, each once, and without further threads where there are none to be had."""

import threading

from spearmint.tracing.mlflow.concurrently import for_each


def test_for_each_calls_some_at_once_and_each_item_once() -> None:
    together = threading.Barrier(3, timeout=60)
    done = []

    def call(item):
        together.wait()
        done.append(item)

    for_each(call, range(6), 3)
    assert sorted(done) == [0, 1, 2, 3, 4, 5]


def test_for_each_starts_no_more_threads_than_items() -> None:
    threads = set()
    for_each(lambda _: threads.add(threading.current_thread()), [1], 4)
    for_each(lambda _: threads.add(threading.current_thread()), [], 4)
    assert threads == {threading.current_thread()}


def test_for_each_does_all_itself_where_no_thread_starts(monkeypatch) -> None:
    def refuse(_thread):
        message = "can't start new thread"
        raise RuntimeError(message)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    done = []
    for_each(lambda item: done.append((item, threading.current_thread())), range(5), 4)
    assert done == [(item, threading.current_thread()) for item in range(5)]
