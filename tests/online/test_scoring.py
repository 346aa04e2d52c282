import asyncio
import threading
from typing import Annotated

import pytest

import spearmint
from spearmint import Bind, Pairwise, RuntimeContext, Spearmint, experiment
from spearmint.assignment.hashing import bucket
from spearmint.errors import ConfigError, DeclarationError
from spearmint.online.scoring import output_scorer
from spearmint.strategies import SplitStrategy

CONFIGS = [{"__config_id__": "small", "size": 1}, {"__config_id__": "large", "size": 2}]
SPLIT = SplitStrategy(salt="exp", weights=[0, 1])


def length(outputs):
    return len(outputs)


def called(function, *args, user="ann", **kwargs):
    with RuntimeContext(attributes={"user_id": user}):
        return function(*args, **kwargs)


def scores(found, name="length"):
    return [(one["value"], one["count"]) for one in found if one["name"] == name]


def words_of(metrics, **options):
    @experiment(configs=CONFIGS, strategy=SPLIT, metrics=metrics, **options)
    def words(text: str, size: Annotated[int, Bind("size")]):
        return text.split()[:size]

    return words


@pytest.fixture
def scored(journal):
    """Read a journal of which every unit's outputs are scored."""
    spearmint.configure(online={"score_rate": 1.0})
    return journal


# What is scored


def test_outputs_of_a_unit_are_scored_and_averaged(scored):
    words = words_of([length])
    called(words, "one two three")
    called(words, "one")
    (record,) = [one for one in scored("outcome") if one["name"] == "length"]
    assert (record["value"], record["count"]) == (1.5, 2)
    assert record["feature_flag.context.id"] == "ann"
    assert record["feature_flag.result.variant"] == "large"


def test_scorer_gets_what_an_evaluation_gives_it(scored):
    given = []

    def look(inputs, outputs, expectations, config):
        given.append((inputs, outputs, expectations, config))
        return {"first": True, "second": None, "third": 3}

    called(words_of(look), "one two")
    found = scored("outcome")
    assert given == [({"text": "one two"}, ["one", "two"], {}, {"size": 2})]
    assert scores(found, "first") == [(1.0, 1)]
    assert scores(found, "second") == []
    assert scores(found, "third") == [(3.0, 1)]


def test_output_is_scored_as_it_was_returned(scored):
    held = threading.Event()

    def late(outputs):
        assert held.wait(30)
        return len(outputs)

    called(words_of(late), "one two").append("more")
    held.set()
    assert scores(scored("outcome"), "late") == [(2.0, 1)]


def test_async_calls_streams_and_async_scorers_are_scored(scored):
    async def patient(outputs):
        await asyncio.sleep(0)
        return len(outputs)

    options = {"configs": CONFIGS, "strategy": SPLIT, "metrics": [patient]}

    @experiment(**options)
    async def answer(size: Annotated[int, Bind("size")]):
        return "x" * size

    @experiment(**options)
    def items(size: Annotated[int, Bind("size")]):
        yield from range(size + 5)

    @experiment(**options)
    async def aitems(size: Annotated[int, Bind("size")]):
        for number in range(size + 10):
            yield number

    async def main():
        with RuntimeContext(attributes={"user_id": "ann"}):
            await answer()
            return [one async for one in aitems()]

    asyncio.run(main())
    assert called(lambda: list(items())) == list(range(7))
    assert sorted(scores(scored("outcome"), "patient")) == [(2.0, 1), (7.0, 1), (12.0, 1)]


def test_calls_with_variants_and_nested_calls_are_scored(scored):
    inner = words_of([length])

    @experiment(configs=CONFIGS, strategy=SplitStrategy(salt="o", shadow=1.0), metrics={"wide": length})
    def outer(text: str, size: Annotated[int, Bind("size")]):
        return inner(text) * size * 2

    result = called(outer, "one two")
    found = scored("outcome")
    assert scores(found, "length") == [(2.0, 1)]
    assert scores(found, "wide") == [(float(len(result)), 1)]  # Of variants, nothing is scored.


def test_process_scores_experiments_without_scorers(scored):
    spearmint.configure(online={"metrics": f"{__name__}:length"})
    mint = Spearmint(configs=CONFIGS, strategy=SPLIT)

    @mint.experiment
    def plain(size: Annotated[int, Bind("size")]):
        return "x" * size

    @mint.experiment(metrics=[])
    def left_alone(size: Annotated[int, Bind("size")]):
        return "x" * size

    called(plain)
    called(left_alone)
    assert scores(scored("outcome")) == [(2.0, 1)]


def test_sample_takes_all_calls_of_a_unit_or_none(journal):
    spearmint.configure(online={"score_rate": 0.3})
    words = words_of([length])
    users = [f"user-{number}" for number in range(60)]
    for user in users * 2:
        called(words, "one", user=user)
    found = {one["feature_flag.context.id"]: one["count"] for one in journal("outcome") if one["name"] == "length"}
    assert found == {user: 2 for user in users if bucket(user, "exp.metrics") < 0.3}
    assert 5 < len(found) < 40


def test_calls_without_exposure_and_failures_are_not_scored(scored):
    @experiment(configs=CONFIGS, strategy=SPLIT, metrics=[length])
    def fails(size: Annotated[int, Bind("size")]):
        raise ValueError(size)

    words = words_of([length])
    words("one")
    called(words, "one", 7)
    with pytest.raises(ValueError, match="2"):
        called(fails)
    assert scores(scored("outcome")) == []


# What goes wrong


def test_scorer_that_raises_is_counted_and_told_once(scored, caplog):
    def broken(outputs):
        raise RuntimeError(f"no {len(outputs)}")

    words = words_of([broken, length])
    for text in ("one", "one two", "one two three"):
        called(words, text)
    assert scores(scored("outcome")) == [(pytest.approx(5 / 3), 3)]
    assert spearmint.exposure_stats().failed == 3
    (record,) = caplog.records
    assert f"the scorer broken of {__name__}:words_of.<locals>.words raised RuntimeError: no 1" in record.getMessage()


def test_score_beyond_its_time_is_counted_as_failed(scored, caplog):
    held = threading.Event()

    def slow(outputs):
        held.wait(30)
        return 1

    called(words_of(slow, variant_timeout=0.05), "one")
    assert scores(scored("outcome"), "slow") == []
    held.set()
    assert spearmint.exposure_stats().failed == 1
    assert "took longer than 0.05 s" in caplog.text


def test_outputs_beyond_the_queue_are_dropped_and_counted(scored, account, caplog):
    held, begun = threading.Event(), threading.Event()

    def slow(outputs):
        begun.set()
        assert held.wait(30)
        return 1

    words = words_of(slow)
    spearmint.configure(background={"max_workers": 1, "queue_size": 1, "overflow": "block"})
    called(words, "one")
    assert begun.wait(30)
    for _ in range(3):
        called(words, "one")
    assert spearmint.exposure_stats().pending >= 2
    held.set()
    assert scores(scored("outcome"), "slow") == [(1.0, 2)]
    assert spearmint.exposure_stats().dropped == 2
    assert account() == {"submitted": 2, "finished": 2}
    assert "wait in the background already" in caplog.text


def test_output_of_an_interrupted_call_is_counted_as_dropped(scored, monkeypatch):
    def interrupted(pending):
        raise KeyboardInterrupt

    words = words_of([length])
    with monkeypatch.context() as patch:
        patch.setattr(output_scorer, "hand_over", interrupted)
        with pytest.raises(KeyboardInterrupt):
            called(words, "one")
    counts = spearmint.exposure_stats()
    called(words, "one two")
    assert scores(scored("outcome")) == [(2.0, 1)]
    assert (counts.dropped, spearmint.exposure_stats().pending) == (1, 0)


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ([lambda outputs: 1], "Cannot name a scorer that is a lambda"),
        ({"error": length}, "Cannot score calls by 'error': that is recorded without a scorer"),
        ([3], "Cannot use 3 as a scorer"),
    ],
)
def test_what_is_no_scorer_of_calls_is_refused(metrics, message):
    with pytest.raises(DeclarationError, match=message):
        words_of(metrics)
    with pytest.raises(ConfigError, match=message):
        spearmint.configure(online={"metrics": metrics})


def test_scorer_that_needs_more_than_the_call_is_refused():
    def traced(trace):
        return 1

    def may_be_traced(outputs, trace=None):
        return 1

    with pytest.raises(DeclarationError, match="it needs 'trace', which is not written yet"):
        words_of([traced])
    with pytest.raises(DeclarationError, match="'win_rate': it compares with main's output"):
        words_of([Pairwise(lambda inputs, first, second: "tie")])
    words_of([may_be_traced])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metrics": ["length"]}, "Give scorers, or their import paths"),
        ({"metrics": "nowhere:length"}, "Cannot use the scorer 'nowhere:length': No module named"),
        ({"score_rate": 1.5}, "Give a share from 0 to 1"),
    ],
)
def test_options_of_scores_that_are_wrong_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        spearmint.configure(online=options)
