import pytest

from spearmint.assignment.stages import (
    Guardrail,
    Stage,
    parse_guardrail,
    parse_guardrails,
    parse_period,
    parse_stage,
    parse_stages,
    period_text,
)
from spearmint.errors import ConfigError


def test_stages_say_shares_and_what_ends_them():
    stages = parse_stages([{"shadow": 0.1, "for": "1h"}, {"traffic": 0.05, "for": 60, "units": 500}, {"traffic": 1}])
    assert stages == (Stage(0.0, 0.1, 3600.0), Stage(0.05, 0.0, 60.0, 500), Stage(1.0))
    assert [str(stage) for stage in stages] == [
        "shadow 0.1 (for 1h)",
        "traffic 0.05 (for 1m and 500 units)",
        "traffic 1 (stays)",
    ]
    assert str(parse_stage({"traffic": 0.5, "approve": True})) == "traffic 0.5 (approval)"


@pytest.mark.parametrize(
    ("given", "seconds"),
    [("90s", 90), ("15m", 900), ("1.5h", 5400), ("1d", 86_400), ("2w", 1_209_600), (7, 7), (" 3 m ", 180)],
)
def test_periods_are_seconds_or_a_number_with_a_unit(given, seconds):
    assert parse_period(given, "for") == seconds


@pytest.mark.parametrize("given", ["1 hour", "h", "-1h", 0, -5, True, None, float("inf"), "1h30m"])
def test_what_is_no_period_is_refused(given):
    with pytest.raises(ConfigError, match=r"it is no time\. Write seconds, or a text such as '90s'"):
        parse_period(given, "for")


def test_period_text_reads_back():
    assert [period_text(seconds) for seconds in (0.25, 90, 900, 5400, 86_400)] == ["0.25s", "1.5m", "15m", "1.5h", "1d"]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"trafic": 0.1}, "Cannot use the key 'trafic': .* Did you mean 'traffic'"),
        ({"traffic": 2}, "Cannot set 'traffic' to 2: it is out of range. Give a share from 0 to 1"),
        ({"traffic": True}, "Cannot set 'traffic' to True"),
        ({"for": "1h"}, "nothing runs in it. Give 'traffic' or 'shadow'"),
        ({"traffic": 0.1, "units": 0}, "Cannot wait for 'units' 0"),
        ({"traffic": 0.1, "units": 1.5}, "Cannot wait for 'units' 1.5"),
        ({"traffic": 0.1, "approve": "yes"}, "Cannot set 'approve' to 'yes'"),
        ({"traffic": 0.1, "for": "soon"}, "Cannot use 'for' 'soon'"),
        ("traffic", "Cannot read a stage from 'traffic': it is no mapping"),
    ],
)
def test_what_is_no_stage_is_refused_with_its_key(given, message):
    with pytest.raises(ConfigError, match=message):
        parse_stage(given)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([{"traffic": 0.5}, {"traffic": 1}], r"Cannot use stages\[0\]: it never ends"),
        (
            [{"traffic": 0.5, "for": 1}, {"traffic": 0.1}],
            r"Cannot use stages\[1\]: its traffic 0.1 is less than before",
        ),
        ([{"traffic": 0.5, "for": 1}, {"traffic": -1}], r"Cannot use stages\[1\]: Cannot set 'traffic' to -1"),
        ({"traffic": 1}, "Cannot read 'stages' from .*: it is no list"),
        (3, "Cannot read 'stages' from 3"),
    ],
)
def test_stages_that_do_not_fit_each_other_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        parse_stages(given)


def test_guardrails_know_that_errors_and_durations_cost():
    assert parse_guardrails([{"metric": "error", "worse_by": 0.01}, {"metric": "purchase"}]) == (
        Guardrail("error", 0.01, lower=True),
        Guardrail("purchase", 0.0, lower=False),
    )
    assert parse_guardrail({"metric": "refunds", "lower": True}).lower
    assert not parse_guardrail({"metric": "duration", "lower": False}).lower


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"metric": "error", "worse": 1}, "Cannot use the key 'worse': .* Did you mean 'worse_by'"),
        ({"worse_by": 1}, "Cannot guard the 'metric' None"),
        ({"metric": "error", "worse_by": -1}, "Cannot set 'worse_by' to -1"),
        ({"metric": "error", "alpha": 0.9}, "Cannot set 'alpha' to 0.9"),
        ({"metric": "error", "lower": 1}, "Cannot set 'lower' to 1"),
        ({"metric": "error", "horizon": 0}, "Cannot set 'horizon' to 0"),
    ],
)
def test_what_is_no_guardrail_is_refused_with_its_key(given, message):
    with pytest.raises(ConfigError, match=message):
        parse_guardrail(given)
