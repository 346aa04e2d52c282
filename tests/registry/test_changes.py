"""Several experiments change as one: each call sees all of it, or none."""

import gc
import threading

import pytest

import spearmint
from spearmint import RuntimeContext, Spearmint, experiment
from spearmint.cases.versions import versions
from spearmint.proxy.proxy import experiment_of
from spearmint.registry.changes import publish
from spearmint.strategies import SplitStrategy


def changed(function, configs, strategy="single"):
    found = experiment_of(function)[0]
    return found, found.declare_anew(spearmint.config.parse_configs(configs), strategy)


@experiment(configs=[{"n": 1}])
def inner(config):
    return config.n


@experiment(configs=[{"n": 1}])
def outer(config):
    return config.n, inner()


CALLS = {"inner": inner}


@experiment(configs=[{"n": 1}])
def outer_unseen(entered, go_on, config):
    entered.set()
    assert go_on.wait(60)
    return config.n, CALLS["inner"]()


@pytest.fixture(autouse=True)
def as_before():
    yield
    publish([changed(one, [{"n": 1}]) for one in (inner, outer, outer_unseen)])


def test_published_change_holds_for_further_calls():
    assert outer() == (1, 1)
    publish([changed(outer, [{"n": 2}]), changed(inner, [{"n": 3}])])
    assert (outer(), inner()) == ((2, 3), 3)


def test_call_under_way_ends_in_its_own_version():
    entered, go_on, found = threading.Event(), threading.Event(), []
    thread = threading.Thread(target=lambda: found.append(outer_unseen(entered, go_on)))
    thread.start()
    assert entered.wait(60)
    for number in (2, 3):  # Two versions later, what joins it is still that of the first.
        publish([changed(outer_unseen, [{"n": number}]), changed(inner, [{"n": number}])])
    go_on.set()
    thread.join()
    assert found == [(1, 1)]
    assert outer() == (1, 3)


def test_versions_that_no_call_is_in_are_forgotten():
    gc.collect()
    held = versions.in_use()  # by what other tests have left
    for number in range(5):
        publish([changed(inner, [{"n": number}])])
        inner()
        gc.collect()  # Cases refer to themselves.
    declared = experiment_of(inner)[0].declared
    depth = 0
    while declared.former is not None:
        declared, depth = declared.former, depth + 1
    assert depth <= 1 + len(held)
    assert len(set(versions.in_use()) - set(held)) <= 2


def test_change_that_is_not_published_is_not_seen():
    found, declared = changed(inner, [{"n": 9}])
    with versions.lock:
        found.change(declared, versions.upcoming().number)
        assert (inner(), outer()) == (1, (1, 1))
    publish([])


def test_change_of_a_pinned_experiment_waits_for_the_pin():
    found = experiment_of(inner)[0]
    pin = found.pin()
    publish([changed(inner, [{"n": 4}, {"n": 5}], "round_robin")])
    assert [inner(), inner()] == [4, 4]
    found.unpin(pin)
    assert {inner(), inner()} == {4, 5}


def test_experiments_of_one_instance_still_share_configs():
    mint = Spearmint(configs=[{"n": 1}])

    @mint.experiment
    def shared(config):
        return config.n

    @mint.experiment
    def sharing(config):
        return config.n, shared()

    assert sharing() == (1, 1)
    configs = spearmint.config.parse_configs([{"n": 2}, {"n": 3}])
    members = [experiment_of(one)[0] for one in (sharing, shared)]
    publish([(one, one.declare_anew(configs, "round_robin")) for one in members])
    assert {sharing(), sharing()} == {(2, 2), (3, 3)}


def test_call_written_for_another_strategy_is_still_told():
    @experiment(configs=[{"n": 1}, {"n": 2}])
    def page(config):
        return config.n

    assert page() == 1
    publish([changed(page, [{"n": 1}, {"n": 2}], SplitStrategy(salt="s"))])
    told = []
    spearmint.configure(online={"sink": told.extend})
    try:
        with RuntimeContext(attributes={"user_id": "ann"}):
            page()
        assert spearmint.flush(60)
    finally:
        spearmint.configure(online={"sink": None})
    assert [record["feature_flag.context.id"] for record in told if record["type"] == "exposure"] == ["ann"]


def test_no_call_mixes_two_versions():
    stop, mixed, calls = threading.Event(), [], []

    def call():
        count = 0
        while not stop.is_set():
            one, other = outer()
            count += 1
            if one != other:
                mixed.append((one, other))
        calls.append(count)

    threads = [threading.Thread(target=call) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(2, 102):
        strategy = "round_robin" if number % 2 else "single"
        publish([changed(outer, [{"n": number}], strategy), changed(inner, [{"n": number}], strategy)])
    stop.set()
    for thread in threads:
        thread.join()
    assert mixed == []
    assert outer() == (101, 101)
    assert sum(calls) > 0
