import asyncio
import logging
import sys
import threading
import types

import pytest

import spearmint
from spearmint import RuntimeContext, experiment
from spearmint.errors import ConfigError
from spearmint.strategies import SplitStrategy

CONFIGS = [{"__config_id__": "small", "size": 1}, {"__config_id__": "large", "size": 2}]


@experiment(configs=CONFIGS, strategy=SplitStrategy(salt="exp"))
def page(config):
    return config.size


def call(users):
    for user in users:
        with RuntimeContext(attributes={"user_id": user}):
            page()


def users(count, start=0):
    return [f"user-{number}" for number in range(start, start + count)]


def exposed(found):
    return [record["feature_flag.context.id"] for record in found if record["type"] == "exposure"]


def test_sink_gets_records_off_the_callers_thread(online):
    told, threads = [], set()

    def sink(records):
        threads.add(threading.current_thread())
        told.extend(records)

    spearmint.configure(online={"sink": sink})
    call(users(3))
    assert spearmint.flush(10)
    assert exposed(told) == users(3)
    assert threading.current_thread() not in threads
    assert "account" not in {record["type"] for record in told}


def test_journal_and_sink_get_the_same(journal):
    told = []
    spearmint.configure(online={"sink": told.extend})
    call(users(3))
    assert [record for record in journal() if record["type"] != "account"] == told


def test_sink_that_is_down_fails_records_and_units_are_told_anew(online, caplog):
    told, is_down = [], [True]

    def sink(records):
        if is_down[0]:
            raise ConnectionError("refused")
        told.extend(records)

    spearmint.configure(online={"sink": sink})
    with caplog.at_level(logging.WARNING, logger="spearmint"):
        call(users(5))
        assert spearmint.flush(10)
        call(users(5, start=5))
        assert spearmint.flush(10)
    stats = spearmint.exposure_stats()
    assert (stats.written, stats.failed, stats.repeated) == (0, 30, 0)
    (told_of_loss,) = caplog.messages
    assert told_of_loss == (
        "Exposures or outcomes are lost: ConnectionError: refused; exposure_stats() counts what is lost, "
        "configure(online=...) sets where it goes. This is said once."
    )
    is_down[0] = False
    call(users(10))
    assert spearmint.flush(10)
    assert exposed(told) == users(10)


def test_full_queue_drops_and_does_not_remember(online, caplog):
    told, goes_on, has_begun = [], threading.Event(), threading.Event()

    def sink(records):
        has_begun.set()
        goes_on.wait(20)
        told.extend(records)

    spearmint.configure(online={"sink": sink, "queue_size": 10})
    call(["first"])
    assert has_begun.wait(10)
    with caplog.at_level(logging.WARNING, logger="spearmint"):
        call(users(100))
    stats = spearmint.exposure_stats()
    assert (stats.submitted, stats.dropped, stats.pending) == (101, 91, 10)
    assert "the queue of 10 is full" in caplog.text
    assert len(caplog.records) == 1
    goes_on.set()
    assert spearmint.flush(10)
    assert exposed(told) == ["first", *users(9)]
    for start in range(0, 100, 10):
        call(users(10, start))
        assert spearmint.flush(10)
    assert sorted(exposed(told)) == sorted(["first", *users(100)])


def test_flush_has_a_limit(online):
    goes_on = threading.Event()
    spearmint.configure(online={"sink": lambda records: goes_on.wait(20)})
    call(users(1))
    assert spearmint.flush(0.2) is False
    goes_on.set()
    assert spearmint.flush(10) is True


def test_flush_within_a_sink_does_not_wait_for_itself(online):
    answers = []
    spearmint.configure(online={"sink": lambda records: answers.append(spearmint.flush(20))})
    call(users(1))
    assert spearmint.flush(10)
    assert set(answers) == {False}


def test_aflush_waits_without_holding_up_the_loop(online):
    told, goes_on = [], threading.Event()

    def sink(records):
        goes_on.wait(20)
        told.extend(records)

    async def ask():
        call(users(3))
        asyncio.get_running_loop().call_later(0.05, goes_on.set)
        return await spearmint.aflush(10)

    spearmint.configure(online={"sink": sink})
    assert asyncio.run(ask()) is True
    assert exposed(told) == users(3)


def test_records_are_written_without_a_flush(online):
    has_come = threading.Event()
    spearmint.configure(online={"sink": lambda records: has_come.set()})
    call(users(1))
    assert has_come.wait(10)


def test_means_are_written_without_a_flush(online):
    names, has_come = [], threading.Event()

    def sink(records):
        names.extend(record.get("name") for record in records)
        if "duration" in names:
            has_come.set()

    spearmint.configure(online={"sink": sink, "flush_every": 0.05})
    call(users(1))
    assert has_come.wait(10)


def test_an_idle_thread_looks_again(online):
    told, has_come = [], threading.Event()

    def sink(records):
        told.extend(exposed(records))
        has_come.set()

    spearmint.configure(online={"sink": sink, "flush_every": 0.05})
    call(["ann"])
    assert has_come.wait(10)
    assert spearmint.flush(10)
    assert not has_come.wait(0.3) or has_come.clear() is None
    has_come.clear()
    call(["bob"])
    assert has_come.wait(10)
    assert "bob" in told


def test_account_tells_what_the_journal_lacks(journal):
    call(users(20))
    page()
    found = journal()
    (account,) = [record for record in found if record["type"] == "account"]
    stats = spearmint.exposure_stats()
    assert account["written"] == len(found) - 1 == stats.written
    assert (account["missing_unit"], account["pending"], account["is_last"]) == (1, 0, False)
    assert account["submitted"] == stats.submitted
    assert len(journal("account")) == 1  # nothing new
    call(users(1))
    assert len(journal("account")) == 2


def test_calls_without_a_unit_alone_are_accounted_for(journal):
    page()
    assert [record["missing_unit"] for record in journal("account")] == [1]


def test_opentelemetry_gets_log_events(online):
    pytest.importorskip("opentelemetry.sdk._logs.export")
    from opentelemetry import _logs
    from opentelemetry.sdk._logs import LoggerProvider
    from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

    exporter = InMemoryLogRecordExporter()
    provider = LoggerProvider()
    provider.add_log_record_processor(SimpleLogRecordProcessor(exporter))
    before = _logs._internal._LOGGER_PROVIDER
    _logs._internal._LOGGER_PROVIDER = provider
    try:
        spearmint.configure(online={"sink": "otel"})
        call(["ann"])
        assert spearmint.flush(10)
    finally:
        _logs._internal._LOGGER_PROVIDER = before
    found = [one.log_record for one in exporter.get_finished_logs()]
    assert [one.event_name for one in found] == ["feature_flag.evaluation", *["spearmint.outcome"] * 2]
    told = found[0].attributes
    assert (told["feature_flag.context.id"], told["feature_flag.provider.name"]) == ("ann", "spearmint")
    assert told["feature_flag.result.variant"] in ("small", "large")


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"jurnal": "x"}, r"Cannot set online option 'jurnal': there is none. .* Did you mean 'journal'"),
        ({"journal": 3}, "Cannot set online option 'journal' to 3"),
        ({"journal": ""}, "Cannot set online option 'journal' to ''"),
        ({"journal": __file__}, "which this file is not"),
        ({"sink": "otl"}, "Cannot set online option 'sink' to 'otl'"),
        ({"queue_size": 0}, "Cannot set online option 'queue_size' to 0"),
        ({"rotate_bytes": True}, "Cannot set online option 'rotate_bytes' to True"),
        ({"dedupe": 1.5}, "Cannot set online option 'dedupe' to 1.5"),
        ({"flush_every": 0}, "Cannot set online option 'flush_every' to 0"),
        ({"flush_every": float("nan")}, "Cannot set online option 'flush_every' to nan"),
        ({"hash_units": 5}, "it is no key"),
    ],
    ids=str,
)
def test_options_that_cannot_be_are_refused(online, options, problem):
    with pytest.raises(ConfigError, match=problem):
        spearmint.configure(online=options)


def keep(records):
    """Take records for a test that names this function by its import path."""
    kept.extend(records)


kept: list[dict] = []


def test_sink_is_found_by_its_import_path(online, monkeypatch):
    module = types.ModuleType("sink_of_the_test")
    module.keep = keep
    monkeypatch.setitem(sys.modules, "sink_of_the_test", module)
    kept.clear()
    spearmint.configure(online={"sink": "sink_of_the_test:keep"})
    spearmint.track("clicks", unit="ann")
    assert spearmint.flush(20)
    assert [one["name"] for one in kept] == ["clicks"]


@pytest.mark.parametrize(
    ("sink", "problem"),
    [
        ("json:nothing", "has no attribute 'nothing'"),
        ("json:__name__", "it cannot be called"),
        ("nowhere", "import path"),
    ],
)
def test_sink_that_leads_nowhere_is_refused(online, sink, problem):
    with pytest.raises(ConfigError, match=problem):
        spearmint.configure(online={"sink": sink})
