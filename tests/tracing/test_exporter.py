"""The queue before the worker, and the account of what became of every trace, with a writer that does as it is told."""

import asyncio
import logging
import threading
from dataclasses import asdict

import pytest

import spearmint
from spearmint.tracing.exporter import TraceExporter
from spearmint.tracing.options import TracingOptions
from spearmint.tracing.span import Trace

WAIT_SECONDS = 10


class Gate:
    """Writes when it is let, and fails with what stands in a trace's place."""

    def __init__(self):
        self.may_write = threading.Event()
        self.is_writing = threading.Event()
        self.batches = []

    def open(self, traces, options):
        """There is nothing to make ready."""

    def write(self, traces, options):
        self.is_writing.set()
        assert self.may_write.wait(WAIT_SECONDS)
        self.batches.append(traces)
        return [trace.place for trace in traces]


@pytest.fixture
def gate():
    return Gate()


@pytest.fixture
def worker(gate):
    made = TraceExporter()
    made.make_writer = lambda: gate
    yield made
    gate.may_write.set()
    assert made.flush(WAIT_SECONDS)
    counts = asdict(made.stats())
    assert 2 * counts["recorded"] == sum(counts.values())
    made.reset()


def trace(error=None):
    return Trace(1, "call", "main", place=error)


def counts(worker):
    return {name: count for name, count in asdict(worker.stats()).items() if count}


def test_what_is_recorded_is_pending_until_it_is_written(worker, gate) -> None:
    worker.put(trace())
    assert gate.is_writing.wait(WAIT_SECONDS)
    assert counts(worker) == {"recorded": 1, "pending": 1}
    gate.may_write.set()
    assert worker.flush(WAIT_SECONDS)
    assert counts(worker) == {"recorded": 1, "written": 1}


def test_full_queue_drops_the_newest_counts_and_warns_once(worker, gate, caplog) -> None:
    worker.options = TracingOptions(queue_size=3)
    for _ in range(10_000):
        worker.put(trace())
    assert counts(worker) == {"recorded": 10_000, "dropped": 9_997, "pending": 3}
    gate.may_write.set()
    assert worker.flush(WAIT_SECONDS)
    assert counts(worker) == {"recorded": 10_000, "dropped": 9_997, "written": 3}
    (record,) = caplog.records
    assert record.message == (
        "Traces are lost: the queue of 3 is full; tracing_stats() counts what is lost, configure(tracing=...) sets "
        "the limits. This is said once."
    )


def test_failed_writes_are_counted_and_warn_once_for_each_kind(worker, gate, caplog) -> None:
    gate.may_write.set()
    for error in (None, OSError("disk"), OSError("disk"), ValueError("bad")):
        worker.put(trace(error))
    assert worker.flush(WAIT_SECONDS)
    assert counts(worker) == {"recorded": 4, "written": 1, "failed": 3}
    assert len(caplog.records) == 2


def test_a_writer_that_raises_fails_its_batch_only(worker, gate) -> None:
    gate.may_write.set()
    healthy = gate.write
    gate.write = lambda traces, options: 1 // 0
    worker.put(trace())
    assert worker.flush(WAIT_SECONDS)
    gate.write = healthy
    worker.put(trace())
    assert worker.flush(WAIT_SECONDS)
    assert counts(worker) == {"recorded": 2, "written": 1, "failed": 1}


def test_a_writer_that_cannot_be_made_is_tried_again(worker, gate) -> None:
    gate.may_write.set()
    makers = iter([ImportError("no mlflow"), ImportError("no mlflow"), gate])

    def make():
        made = next(makers)
        if isinstance(made, ImportError):
            raise made
        return made

    worker.make_writer = make
    worker.put(trace())
    assert worker.flush(WAIT_SECONDS)
    worker.put(trace())
    assert worker.flush(WAIT_SECONDS)
    assert counts(worker) == {"recorded": 2, "written": 1, "failed": 1}


def test_what_waits_is_written_together(worker, gate) -> None:
    worker.put(trace())
    assert gate.is_writing.wait(WAIT_SECONDS)
    for _ in range(10):
        worker.put(trace())
    gate.may_write.set()
    assert worker.flush(WAIT_SECONDS)
    assert [len(batch) for batch in gate.batches] == [1, 10]


def test_flush_waits_for_earlier_records_within_its_timeout(worker, gate) -> None:
    worker.put(trace())
    assert not worker.flush(0.01)
    assert not asyncio.run(worker.aflush(0.01))
    gate.may_write.set()
    assert asyncio.run(worker.aflush(WAIT_SECONDS))
    assert worker.flush(0)


def test_flush_on_the_exporter_thread_does_not_wait_for_itself(worker, gate) -> None:
    found = []
    gate.write = lambda traces, options: found.append(worker.flush(WAIT_SECONDS)) or [None]
    worker.put(trace())
    assert worker.flush(WAIT_SECONDS)
    assert found == [False]


def test_close_waits_and_counts_the_rest_as_dropped(worker, gate, capsys) -> None:
    for _ in range(3):
        worker.put(trace())
    worker.close(0.01)
    worker.put(trace())
    assert counts(worker) == {"recorded": 4, "dropped": 4}
    assert capsys.readouterr().err == (
        "spearmint: 3 traces were not written to MLflow within 0.01 s of exit; flush() before it waits longer\n"
    )
    gate.may_write.set()


def test_snapshots_add_up_while_many_threads_record(worker, gate) -> None:
    worker.options = TracingOptions(queue_size=5)
    gate.may_write.set()
    wrong = []

    def record():
        for _ in range(500):
            worker.put(trace(None))
            found = asdict(worker.stats())
            if 2 * found["recorded"] != sum(found.values()):
                wrong.append(found)

    threads = [threading.Thread(target=record) for _ in range(8)]
    logging.getLogger("spearmint").setLevel(logging.ERROR)
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(WAIT_SECONDS)
    finally:
        logging.getLogger("spearmint").setLevel(logging.NOTSET)
    assert worker.flush(WAIT_SECONDS)
    assert wrong == []
    assert worker.stats().recorded == 4000


def test_the_process_has_one_account_at_the_top_level() -> None:
    assert isinstance(spearmint.tracing_stats(), spearmint.TracingStats)
