import asyncio
import gc
import os
import threading
import warnings
from collections import Counter
from typing import Annotated

import pytest

import spearmint
from spearmint import Bind, RuntimeContext, Spearmint, experiment
from spearmint.assignment.hashing import bucket
from spearmint.errors import SpearmintWarning
from spearmint.online.exposures import exposures
from spearmint.online.writer import records
from spearmint.registry import registry
from spearmint.strategies import SplitStrategy
from spearmint.testing import override
from spearmint.warn import said

CONFIGS = [{"__config_id__": "small", "size": 1}, {"__config_id__": "large", "size": 2}]


def page_of(**options):
    @experiment(configs=CONFIGS, strategy=SplitStrategy(**{"salt": "exp", **options}))
    def page(size: Annotated[int, Bind("size")]):
        return size

    return page


def called(function, user="ann", *args, **attributes):
    with RuntimeContext(attributes={"user_id": user, **attributes}):
        return function(*args)


def units(found):
    return [record["feature_flag.context.id"] for record in found]


# What a record says


def test_exposure_tells_unit_arm_version_and_share(journal):
    page = page_of(weights=[1, 3])
    size = called(page)
    (record,) = journal("exposure")
    name = f"{page.__module__}:{page.__qualname__}"
    assert record.pop("time") > 1e18
    assert record == {
        "type": "exposure",
        "feature_flag.key": name,
        "feature_flag.result.variant": {1: "small", 2: "large"}[size],
        "feature_flag.version": registry.get(name).split.version,
        "feature_flag.result.reason": "split",
        "feature_flag.context.id": "ann",
        "spearmint.main": "small",
        "spearmint.propensity": {1: 0.25, 2: 0.75}[size],
    }


def test_units_are_hashed_where_a_key_is_set(journal):
    spearmint.configure(online={"hash_units": "pepper"})
    page = page_of()
    called(page, "ann")
    called(page, "bob")
    called(page, "ann")
    found = units(journal("exposure"))
    assert len(set(found)) == 2
    assert all(len(unit) == 32 and int(unit, 16) for unit in found)
    spearmint.track("rating", 5, unit="ann")
    outcomes = [record for record in journal("outcome") if record["name"] == "rating"]
    assert units(outcomes) == [found[0]]


@pytest.mark.parametrize("unit", ["ünïcode", "user-😀", "\ud800", 'a"\n\\b', "x" * 5000], ids=range(5))
def test_any_text_is_a_unit_that_reads_back(journal, unit):
    called(page_of(), unit)
    assert units(journal("exposure")) == [unit]


# When there is one


def test_a_unit_is_told_once_and_its_calls_are_counted(journal):
    page = page_of()
    for user in ("ann", "bob", "ann", "ann"):
        called(page, user)
    assert units(journal("exposure")) == ["ann", "bob"]
    assert spearmint.exposure_stats().repeated == 2


def test_units_that_take_no_part_are_not_exposed(journal):
    page = page_of(traffic=0.5, holdout=0.2, only_if={"plan": "pro"})
    users = [f"user-{number}" for number in range(200)]
    for user in users:
        called(page, user, plan="pro")
        called(page, f"free-{user}", plan="free")
    took_part = [user for user in users if bucket(user, "exp.traffic") < 0.5 and bucket(user, "exp.holdout") >= 0.2]
    assert units(journal("exposure")) == took_part
    assert spearmint.exposure_stats().missing_unit == 0


def test_call_without_a_unit_is_counted_and_warned_of_once(online):
    page = page_of()
    said.clear()
    with pytest.warns(SpearmintWarning, match="was called without a unit, .* no attribute 'user_id'") as caught:
        assert page() == 1
    assert [one.filename for one in caught] == [__file__]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert page() == 1
    assert spearmint.exposure_stats().missing_unit == 2


def test_caller_who_passes_every_parameter_exposes_nobody(journal):
    @experiment(configs=[{"__config_id__": "small", "size": 1, "color": "red"}], strategy=SplitStrategy(), bindings={})
    def page(size: Annotated[int, Bind("size")], color: Annotated[str, Bind("color")] = "blue"):
        return size, color

    assert called(page, "ann", 5, "green") == (5, "green")
    assert journal("exposure") == []
    assert called(page, "bob", 5) == (5, "red")
    assert units(journal("exposure")) == ["bob"]


def test_arm_that_leaves_a_parameter_to_its_default_exposes(journal):
    @experiment(configs=[{"__config_id__": "control"}, {"size": 2}], strategy=SplitStrategy(weights=[1, 0]))
    def page(size: Annotated[int, Bind("size")] = 1):
        return size

    assert called(page) == 1
    assert [record["feature_flag.result.variant"] for record in journal("exposure")] == ["control"]


def test_variants_are_no_exposures(journal):
    page = page_of(shadow=1.0)
    called(page)
    with RuntimeContext(attributes={"user_id": "bob"}), Spearmint.run(page, await_variants=True) as runner:
        assert len(list(runner())) == 2
    assert spearmint.flush(10)
    assert units(journal("exposure")) == ["ann", "bob"]


def test_nested_split_is_exposed_where_it_is_called(journal):
    inner = page_of(salt="inner")

    @experiment(configs=[{"__config_id__": "outer", "deep": True}])
    def outer(go, config):
        return inner() if go else None

    called(outer, "ann", False)
    assert journal("exposure") == []
    size = called(outer, "ann", True)
    (record,) = journal("exposure")
    assert (record["feature_flag.key"].rpartition(".")[2], units([record])) == ("page", ["ann"])
    assert record["feature_flag.result.variant"] == {1: "small", 2: "large"}[size]


def test_nested_split_below_a_split_has_exposures_of_both(journal):
    inner = page_of(salt="inner")

    @experiment(configs=[{"__config_id__": "a"}, {"__config_id__": "b"}], strategy=SplitStrategy(salt="outer"))
    def outer(config):
        return inner()

    for user in ("ann", "bob", "ann"):
        called(outer, user)
    keys = Counter(record["feature_flag.key"].rpartition(".")[2] for record in journal("exposure"))
    assert keys == {"outer": 2, "page": 2}
    assert spearmint.exposure_stats().repeated == 2


def test_split_that_no_analysis_sees_is_exposed(journal):
    held = {"page": page_of()}

    @experiment(configs=[{"__config_id__": "outer"}])
    def outer(config):
        return held["page"]()

    sizes = {user: called(outer, user) for user in ("ann", "bob", "eve", "dan", "ann")}
    found = {record["feature_flag.context.id"]: record["feature_flag.result.variant"] for record in journal("exposure")}
    assert found == {user: {1: "small", 2: "large"}[size] for user, size in sizes.items()}
    assert len(journal("exposure")) == 4


def test_variant_of_the_caller_exposes_no_nested_unit(journal):
    inner = page_of()
    mint = Spearmint(strategy="shadow", configs=[{"__config_id__": "a"}, {"__config_id__": "b"}])

    @mint.experiment
    def outer(config):
        return inner()

    called(outer)
    assert spearmint.flush(10)
    assert units(journal("exposure")) == ["ann"]
    assert spearmint.exposure_stats().repeated == 0


def test_override_exposes_nobody(journal):
    page = page_of()
    with override(page, {"size": 9}):
        assert called(page) == 9
    assert journal("exposure") == []
    called(page)
    assert units(journal("exposure")) == ["ann"]


def test_evaluation_exposes_nobody(journal):
    page = page_of()
    with RuntimeContext(attributes={"user_id": "ann"}):
        Spearmint(configs=[]).evaluate(page, [{}], scorers={"size": lambda outputs: outputs}, progress=False)
    assert journal("exposure") == []


def test_call_that_raises_is_an_exposure_and_an_error(journal):
    @experiment(configs=CONFIGS, strategy="split")
    def page(config):
        raise KeyError(config.size)

    for _ in range(2):
        with pytest.raises(KeyError):
            called(page)
    assert units(journal("exposure")) == ["ann"]
    (error,) = [record for record in journal("outcome") if record["name"] == "error"]
    assert (error["value"], error["count"]) == (1.0, 2)


def test_interrupted_call_is_neither_error_nor_duration(journal):
    @experiment(configs=CONFIGS, strategy="split")
    def page(config):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        called(page)
    assert (len(journal("exposure")), journal("outcome")) == (1, [])


def test_exception_of_an_exposed_call_is_collected(journal):
    import weakref

    class Boom(Exception):
        pass

    @experiment(configs=CONFIGS, strategy="split")
    def page(config):
        raise Boom

    gc.disable()
    try:
        try:
            called(page)
        except Boom as error:
            held = weakref.ref(error)
        assert held() is None
    finally:
        gc.enable()


# Kinds of functions


def test_async_calls_are_exposed_and_measured(journal):
    @experiment(configs=CONFIGS, strategy=SplitStrategy(salt="exp"))
    async def page(config):
        await asyncio.sleep(0.01)
        return config.size

    async def ask(user):
        with RuntimeContext(attributes={"user_id": user}):
            return await page()

    async def ask_all():
        await asyncio.gather(*[ask(user) for user in ("ann", "bob", "ann")])

    asyncio.run(ask_all())
    assert units(journal("exposure")) == ["ann", "bob"]
    durations = {units([one])[0]: one for one in journal("outcome") if one["name"] == "duration"}
    assert durations["ann"]["count"] == 2
    assert 0.009 < durations["ann"]["value"] < 10


def test_stream_is_exposed_with_its_first_step(journal):
    @experiment(configs=CONFIGS, strategy="split")
    def page(config):
        yield config.size
        yield config.size

    with RuntimeContext(attributes={"user_id": "ann"}):
        unread = page()
        assert journal("exposure") == []
        assert len(list(page())) == 2
        cut = page()
        next(cut)
        cut.close()
    del unread
    assert units(journal("exposure")) == ["ann"]
    counts = {one["name"]: one["count"] for one in journal("outcome")}
    assert counts == {"error": 1, "duration": 1}
    assert spearmint.exposure_stats().repeated == 1


def test_async_stream_is_exposed_with_its_first_step(journal):
    @experiment(configs=CONFIGS, strategy="split")
    async def page(config):
        yield config.size

    async def read():
        with RuntimeContext(attributes={"user_id": "ann"}):
            return [item async for item in page()]

    assert len(asyncio.run(read())) == 1
    assert units(journal("exposure")) == ["ann"]


def test_stream_with_shadows_is_exposed_once(journal):
    @experiment(configs=CONFIGS, strategy=SplitStrategy(shadow=1.0))
    def page(config):
        yield config.size

    with RuntimeContext(attributes={"user_id": "ann"}):
        assert len(list(page())) == 1
    assert spearmint.flush(10)
    assert units(journal("exposure")) == ["ann"]


def test_method_is_exposed(journal):
    class Shop:
        @experiment(configs=CONFIGS, strategy=SplitStrategy(salt="exp"))
        def page(self, size: Annotated[int, Bind("size")]):
            return size

    shop = Shop()
    with RuntimeContext(attributes={"user_id": "ann"}):
        sizes = {shop.page() for _ in range(3)}
    assert len(sizes) == 1
    assert units(journal("exposure")) == ["ann"]


def test_captured_call_has_a_token(journal):
    page = page_of()
    with spearmint.capture() as captured:
        called(page)
        called(page)
    first, second = captured.calls
    assert first.token == second.token != None  # noqa: E711 - both, and not None
    spearmint.track("purchase", 3, token=first.token)
    purchases = [record for record in journal("outcome") if record["name"] == "purchase"]
    assert units(purchases) == ["ann"]


# Exactness


@pytest.mark.slow
def test_ten_thousand_units_by_eight_threads_are_told_once(journal):
    page = page_of()
    spearmint.configure(online={"queue_size": 20_000})
    calls, threads, population = 50_000, 8, 10_000

    def call(offset):
        for number in range(calls):
            called(page, f"user-{(number * 7 + offset) % population}")

    workers = [threading.Thread(target=call, args=(offset * 13,)) for offset in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    found = units(journal("exposure"))
    assert (len(found), len(set(found))) == (population, population)
    stats = spearmint.exposure_stats()
    assert (stats.dropped, stats.failed, stats.repeated) == (0, 0, calls * threads - population)
    for name in ("error", "duration"):
        counted = sum(record["count"] for record in journal("outcome") if record["name"] == name)
        assert counted == calls * threads


def test_remembered_units_are_bounded(journal):
    spearmint.configure(online={"dedupe": 50})
    page = page_of()
    for number in range(200):
        called(page, f"user-{number}")
    assert len(exposures._seen) == 50
    called(page, "user-199")
    called(page, "user-0")  # forgotten, so told again
    assert len(journal("exposure")) == 201
    assert spearmint.exposure_stats().repeated == 1


def test_oldest_of_many_remembered_units_go_first(journal):
    spearmint.configure(online={"dedupe": 640})
    page = page_of()
    for number in range(2000):
        called(page, f"user-{number}")
    kept = [unit for _, unit in exposures._seen]
    assert 630 <= len(kept) <= 640
    assert kept == [f"user-{number}" for number in range(2000 - len(kept), 2000)]


def test_another_journal_is_told_of_every_unit(journal, tmp_path):
    page = page_of()
    called(page)
    assert units(journal("exposure")) == ["ann"]
    told = []
    spearmint.configure(online={"journal": None, "sink": told.extend})
    called(page)
    assert spearmint.flush(10)
    assert units(record for record in told if record["type"] == "exposure") == ["ann"]


def test_without_a_journal_nothing_is_recorded(online):
    page = page_of()
    called(page)
    assert spearmint.exposure_stats() == spearmint.ExposureStats()
    assert threading.active_count() == 1 or not records._has_thread


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="it is about forks")
def test_call_under_way_in_a_fork_is_left_to_the_parent(journal):
    @experiment(configs=CONFIGS, strategy="split")
    def page(config):
        child = os.fork()
        if not child:
            return child
        os.waitpid(child, 0)
        return child

    if not called(page):
        stats = spearmint.exposure_stats()
        os._exit(0 if (stats.submitted, stats.pending) == (0, 0) else 1)
    assert units(journal("exposure")) == ["ann"]
