import logging
import threading

import pytest

import spearmint
from spearmint import RuntimeContext, Spearmint, experiment
from spearmint.errors import CaseError
from spearmint.online.tokens import read_token, token_of
from spearmint.strategies import SplitStrategy

CONFIGS = [{"__config_id__": "small", "size": 1}, {"__config_id__": "large", "size": 2}]


@experiment(configs=CONFIGS, strategy=SplitStrategy(salt="exp"))
def page(config):
    return spearmint.token()


def named(found, name):
    return [record for record in found if record["name"] == name]


def test_outcome_of_a_named_unit(journal):
    spearmint.track("purchase", 9.9, unit="ann", currency="EUR", items=3, api_key="sk-123456789")
    (record,) = journal("outcome")
    assert record.pop("time") > 1e18
    assert record == {
        "type": "outcome",
        "name": "purchase",
        "value": 9.9,
        "feature_flag.context.id": "ann",
        "spearmint.attribute.currency": "EUR",
        "spearmint.attribute.items": 3,
        "spearmint.attribute.api_key": "**********",
    }


def test_outcome_of_the_units_of_the_context(journal):
    @experiment(configs=CONFIGS, strategy=SplitStrategy(unit="session"))
    def other(config):
        return config.size

    with RuntimeContext(attributes={"user_id": "ann", "session": "s1", "unused": "x"}):
        spearmint.track("rating", 4)
    with RuntimeContext(attributes={"user_id": "ann"}):
        spearmint.track("rating")
    found = [(record["feature_flag.context.id"], record["value"]) for record in journal("outcome")]
    assert sorted(found) == [("ann", 1.0), ("ann", 4.0), ("s1", 4.0)]


def test_int_units_and_truth_values_count(journal):
    spearmint.track("clicked", True, unit=7)
    (record,) = journal("outcome")
    assert (record["feature_flag.context.id"], record["value"]) == ("7", 1.0)


def test_token_ties_an_outcome_to_the_unit_elsewhere(journal):
    with RuntimeContext(attributes={"user_id": "ünïcode-😀"}):
        token = page()
    assert token.isascii()
    assert not set(token) - set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
    thread = threading.Thread(target=lambda: spearmint.track("purchase", token=token))
    thread.start()
    thread.join()
    (record,) = named(journal("outcome"), "purchase")
    assert record["feature_flag.context.id"] == "ünïcode-😀"


def test_token_holds_no_plain_unit_where_units_are_hashed(journal):
    spearmint.configure(online={"hash_units": "pepper"})
    with RuntimeContext(attributes={"user_id": "ann"}):
        token = page()
    assert read_token(token)[0] != "ann"
    spearmint.track("purchase", token=token)
    (exposure,) = journal("exposure")
    (record,) = named(journal("outcome"), "purchase")
    assert record["feature_flag.context.id"] == exposure["feature_flag.context.id"]


def test_token_of_a_nested_call_is_that_of_the_split_around_it(journal):
    @experiment
    def inner():
        return spearmint.token()

    @experiment(configs=CONFIGS, strategy=SplitStrategy(unit="session"))
    def outer(config):
        return inner()

    with RuntimeContext(attributes={"user_id": "ann", "session": "s1"}):
        assert read_token(outer()) == ("s1", None)


def test_token_outside_a_call_is_refused():
    with pytest.raises(CaseError, match="Cannot give a token: no experiment is running"):
        spearmint.token()


@pytest.mark.parametrize("text", ["", "x", "a" * 100, "ünï", "e30", None, 5], ids=str)
def test_text_that_is_no_token_is_refused(text):
    with pytest.raises(ValueError, match="it is no token that"):
        read_token(text)


def test_token_reads_back():
    for pair in (("ann", "tr-1"), ("\ud800", None), (None, "tr-1")):
        assert read_token(token_of(*pair)) == pair


@pytest.mark.parametrize(
    ("call", "reason"),
    [
        (lambda: spearmint.track("purchase"), "purchase has no unit"),
        (lambda: spearmint.track("purchase", unit=""), "purchase has no unit"),
        (lambda: spearmint.track("purchase", "much", unit="ann"), "could not convert string to float"),
        (lambda: spearmint.track("purchase", float("nan"), unit="ann"), "no number that has a mean"),
        (lambda: spearmint.track("purchase", None, unit="ann"), "TypeError"),
        (lambda: spearmint.track("", unit="ann"), "'' is no name"),
        (lambda: spearmint.track("purchase", token="nonsense"), "it is no token"),
    ],
    ids=range(7),
)
def test_what_is_no_outcome_is_counted_and_never_raises(journal, caplog, call, reason):
    with caplog.at_level(logging.WARNING, logger="spearmint"):
        call()
        call()
    assert reason in caplog.text
    assert len(caplog.records) == 1
    assert (journal("outcome"), spearmint.exposure_stats().failed) == ([], 2)


def test_attributes_of_any_kind_are_told_as_json(journal):
    class Loud:
        def __repr__(self):
            raise RuntimeError

    spearmint.track("rating", unit="ann", one=[1, 2], two=float("inf"), three=None, four="x" * 5000)
    (record,) = journal("outcome")
    attributes = {key.removeprefix("spearmint.attribute."): value for key, value in record.items()}
    assert (attributes["one"], attributes["two"], attributes["three"]) == ("[1, 2]", "inf", None)
    assert len(attributes["four"]) == 1000
    spearmint.track("rating", unit="ann", one=Loud())
    assert spearmint.exposure_stats().failed == 1


def test_variant_records_no_outcome(journal):
    @experiment(configs=CONFIGS, strategy="shadow")
    def shadowed(config):
        spearmint.track("seen", config.size, unit="ann")
        return config.size

    shadowed()
    assert spearmint.flush(10)
    assert [record["value"] for record in named(journal("outcome"), "seen")] == [1.0]
    with Spearmint.run(shadowed, await_variants=True) as runner:
        runner()
    assert [record["value"] for record in named(journal("outcome"), "seen")] == [1.0, 1.0]


def test_outcome_of_an_exposed_call_comes_after_its_exposure(journal):
    @experiment(configs=CONFIGS, strategy=SplitStrategy(salt="exp"))
    def buy(config):
        spearmint.track("purchase")

    with RuntimeContext(attributes={"user_id": "ann"}):
        buy()
    (exposure,) = journal("exposure")
    (record,) = named(journal("outcome"), "purchase")
    assert exposure["time"] <= record["time"]


def test_track_without_a_journal_does_nothing(online):
    spearmint.track("purchase", unit="ann")
    assert spearmint.exposure_stats() == spearmint.ExposureStats()
