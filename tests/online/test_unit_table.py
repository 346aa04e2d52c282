import pytest

from spearmint.online.unit_table import UnitTable

NAME, VERSION = "shop:page", "v1"


def exposure(unit, arm, time=100, propensity=0.5, version=VERSION):
    return {
        "type": "exposure",
        "time": time,
        "feature_flag.key": NAME,
        "feature_flag.version": version,
        "feature_flag.result.variant": arm,
        "feature_flag.context.id": unit,
        "spearmint.propensity": propensity,
    }


def outcome(unit, name, value, time=200):
    return {"type": "outcome", "time": time, "name": name, "value": value, "feature_flag.context.id": unit}


def calls(unit, arm, name, value, count=1, *, version=VERSION):
    arms = {"feature_flag.key": NAME, "feature_flag.version": version, "feature_flag.result.variant": arm}
    return {**outcome(unit, name, value), **arms, "count": count}


def pair(unit, arm, error, duration, count=1):
    arms = {"feature_flag.key": NAME, "feature_flag.version": VERSION, "feature_flag.result.variant": arm}
    numbers = {"count": count, "error": error, "duration": duration}
    return {"type": "shadow", "time": 200, "feature_flag.context.id": unit, **arms, **numbers}


@pytest.fixture
def table():
    return UnitTable(NAME, VERSION)


def test_outcomes_are_summed_for_each_exposed_unit(table):
    table.add([exposure("ann", "a"), exposure("bob", "a"), exposure("cid", "b", propensity=0.2)])
    table.add([outcome("ann", "purchase", 2), outcome("ann", "purchase", 3), outcome("dan", "purchase", 9)])
    assert table.values("a", "purchase").tolist() == [5, 0]
    values, propensities = table.values_and_propensities("b", "purchase")
    assert (values.tolist(), propensities.tolist()) == ([0], [0.2])
    assert table.exposed == 3
    assert table.units_by_arm() == {"a": 2, "b": 1}
    assert table.outcome_names() == ["purchase"]


def test_calls_are_means_over_all_that_were_made(table):
    table.add([exposure("ann", "a"), exposure("bob", "a")])
    table.add([calls("ann", "a", "error", 0.5, 2), calls("ann", "a", "duration", 1.0, 2)])
    table.add([calls("ann", "a", "error", 0.0, 8), calls("ann", "a", "duration", 2.0, 8)])
    table.add([calls("ann", "b", "error", 1.0, 99), calls("bob", "a", "error", 1.0, 9, version="v0")])
    assert table.values("a", "error").tolist() == [pytest.approx(0.1)]
    assert table.values("a", "duration").tolist() == [pytest.approx(1.8)]


def test_scores_are_means_over_the_calls_that_were_scored(table):
    table.add([exposure("ann", "a"), exposure("bob", "a"), exposure("cid", "b")])
    table.add([calls("ann", "a", "right", 0.5, 2), calls("ann", "a", "right", 1.0, 6)])
    table.add([calls("ann", "b", "right", 0, 9)])
    assert table.values("a", "right").tolist() == [0.875]
    assert table.values("b", "right").tolist() == []  # Not 0: nothing has scored it.


def test_outcome_before_the_exposure_does_not_count(table):
    table.add([outcome("ann", "purchase", 1, time=50), outcome("ann", "purchase", 2, time=150)])
    table.add([exposure("ann", "a", time=100)])
    assert table.values("a", "purchase").tolist() == [2]


def test_what_was_before_is_kept_where_that_is_asked_for():
    table = UnitTable(NAME, VERSION, keeps_before=True)
    table.add([outcome("ann", "purchase", 1, time=50), outcome("ann", "purchase", 2), exposure("ann", "a")])
    table.add([exposure("bob", "b")])
    values, earlier = table.values_and_earlier("purchase")
    assert (values.tolist(), earlier.tolist()) == ([2, 0], [1, 0])


def test_first_exposure_decides_in_whatever_order_it_is_read(table):
    table.add([exposure("ann", "b", time=300)])
    table.add([exposure("ann", "a", time=100, propensity=0.9), exposure("ann", "b", time=400)])
    assert table.units_by_arm() == {"a": 1}
    assert table.values_and_propensities("a", "purchase")[1].tolist() == [0.9]
    assert table.days == (100, 400)


def test_other_versions_and_earlier_records_do_not_count():
    table = UnitTable(NAME, VERSION, since=100)
    table.add([exposure("ann", "a", version="v0"), exposure("bob", "a", time=99), exposure("cid", "a", time=100)])
    assert table.exposed == 1


def test_pairs_are_means_over_the_calls_of_a_unit(table):
    table.add([pair("ann", "b", 1.0, 0.2), pair("ann", "b", 0.0, 0.6, 3), pair("bob", "b", 0.0, -1.0)])
    assert table.paired_values("b", "error").tolist() == [0.25, 0.0]
    assert table.paired_values("b", "duration").tolist() == [pytest.approx(0.5), -1.0]
    assert table.shadowed_by_arm() == {"b": 2}


def test_units_beyond_what_is_kept_are_estimated(table, monkeypatch):
    monkeypatch.setattr("spearmint.online.unit_table.MOST_UNITS", 2)
    table.add([exposure(f"user-{number}", "a") for number in range(50_000)] * 2)
    assert table.exposed == pytest.approx(50_000, rel=0.2)
    assert table.units_by_arm() == {"a": 2}


def test_record_that_lacks_something_is_counted_and_left(table):
    torn = [{**exposure("bob", "a"), "time": "noon"}, {"type": "outcome", "feature_flag.context.id": "ann"}]
    table.add([*torn, exposure("ann", "a"), {**pair("ann", "b", 0.0, 0.0), "count": None}])
    assert table.exposed == 1
    assert table.unreadable == 3
