"""Health before verdict: what must not be trusted is told, with its likeliest cause."""

import numpy as np
import pytest

from spearmint import online_report
from spearmint.evaluation.online.online_gate import check_online_gate
from spearmint.evaluation.report.gate import parse_gate
from tests.evaluation.online.journal_files import account, exposure, mean_of_calls, outcome, write

pytest.importorskip("duckdb")

ARMS = ("control", "discount")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "journal"


def units(counts, *, offset=0, **options):
    """Give exposures and outcomes of so many units in each arm."""
    records = []
    for arm, count in zip(ARMS, counts, strict=True):
        for unit in range(count):
            name, at = f"{arm}-{offset + unit}", offset + unit * 1000 / count
            records += [exposure(name, arm, at, **options), outcome(name, "purchase", unit % 5, at + 1)]
    return records


def check_of(report, name):
    return next(check for check in report.health if check.name == name)


def test_sound_records_are_healthy(folder):
    write(folder, [*units((300, 300)), account("host-1-a", lines=1200, repeated=50)])
    report = online_report(folder)
    assert report.is_healthy
    assert {check.name for check in report.health} == {
        "versions",
        "losses",
        "missing units",
        "sample ratio",
        "crossovers",
    }


def test_a_broken_ratio_withholds_the_verdict(folder):
    write(folder, units((600, 400)))
    report = online_report(folder)
    found = check_of(report, "sample ratio")
    assert not found.is_healthy
    assert "control 600, discount 400, expected 0.5 / 0.5: p = 2.5e-10 now" in found.text
    assert "Calls of discount end before they run" in found.cause
    assert report.verdict("purchase").startswith("no verdict: sample ratio: control 600")
    (gate,) = check_online_gate(report, parse_gate("purchase=-1"))
    assert gate.verdict == "inconclusive"
    assert "sample ratio" in gate.reason


def test_a_ratio_that_was_broken_once_is_told_later(folder):
    records = [exposure(f"a{unit}", "control", unit) for unit in range(200)]
    records += [exposure(f"b{unit}", "discount", 1000 + unit) for unit in range(200)]
    write(folder, [*records, outcome("a1", "purchase", 1, 5000)])
    found = check_of(online_report(folder), "sample ratio")
    assert "p = 1 now" in found.text
    assert not found.is_healthy


def test_an_arm_that_is_never_exposed_is_missed(folder):
    write(folder, units((100, 0)))
    found = check_of(online_report(folder), "sample ratio")
    assert not found.is_healthy
    assert found.cause.startswith("Never exposed: another arm")


def test_the_process_that_lacks_an_arm_is_named(folder):
    write(folder, units((300, 300)), "host-1-a")
    write(folder, units((200, 20), offset=5000), "host-2-b")
    found = check_of(online_report(folder), "sample ratio")
    assert "lacking in what host-2-b has written" in found.cause


def test_few_units_have_no_ratio_to_test(folder):
    write(folder, units((14, 1)))
    assert check_of(online_report(folder), "sample ratio").is_healthy


def test_units_in_several_arms_are_counted(folder):
    crossed = [exposure(f"control-{unit}", "discount", 3000 + unit) for unit in range(6)]
    write(folder, [*units((300, 300)), *crossed])
    found = check_of(online_report(folder), "crossovers")
    assert not found.is_healthy
    assert "6 of 600 units were exposed to several arms (1.00%)" in found.text
    assert "login" in found.cause
    write(folder, [*units((300, 300)), *crossed[:5]])
    assert check_of(online_report(folder), "crossovers").is_healthy


def test_several_versions_are_told_with_the_way_out(folder):
    write(folder, [*units((300, 300)), *units((300, 300), offset=5000, version="v2")])
    report = online_report(folder)
    found = check_of(report, "versions")
    assert "of 2 versions: v1 since 2023-11-14 22:13 UTC, v2 since" in found.text
    assert "changed while the experiment ran" in found.cause
    assert "version='v2'" in found.cause
    assert online_report(folder, version="v2").is_healthy
    assert sum(online_report(folder, version="v2").facts.units.counts) == 600


def test_versions_side_by_side_have_another_cause(folder):
    write(folder, [*units((300, 300)), *units((300, 300), offset=500, version="v2")])
    assert "side by side" in check_of(online_report(folder), "versions").cause


def test_a_version_alone_takes_its_own_calls(folder):
    records = [exposure(f"u{unit}", ARMS[unit % 2], unit) for unit in range(100)]
    calls = [mean_of_calls(f"u{unit}", ARMS[unit % 2], "duration", 1.0, count=1, at=200) for unit in range(100)]
    later = [exposure(f"u{unit}", ARMS[unit % 2], 300 + unit, version="v2") for unit in range(100)]
    new = [call | {"value": 3.0, "time": call["time"] + 10**12, "feature_flag.version": "v2"} for call in calls]
    write(folder, [*records, *calls, *later, *new])
    assert online_report(folder, version="v2").summary("duration")[0].estimate.value == 3.0
    assert online_report(folder, version="v1").summary("duration")[0].estimate.value == 1.0


@pytest.mark.parametrize(
    ("counts", "told", "cause"),
    [({"dropped": 3}, "3 dropped", "queue_size"), ({"failed": 1}, "1 failed", "full disk")],
)
def test_what_processes_have_lost_is_unhealthy(folder, counts, told, cause):
    write(folder, [*units((300, 300)), account("host-1-a", lines=1200, **counts)])
    found = check_of(online_report(folder), "losses")
    assert not found.is_healthy
    assert told in found.text
    assert cause in found.cause


def test_a_file_that_is_gone_is_missed(folder):
    records = units((300, 300))
    gone = write(folder, records[:600])
    write(folder, [*records[600:], account("host-1-a", lines=1200)], number=1)
    assert check_of(online_report(folder), "losses").is_healthy
    gone.unlink()
    assert "600 absent" in check_of(online_report(folder), "losses").text


def test_an_account_told_in_two_journals_counts_once(folder):
    write(folder, [*units((300, 300)), account("host-1-a", account="x", lines=1200, missing_unit=5)])
    write(folder, [account("host-1-b", account="x", missing_unit=5)], "host-1-b")
    assert online_report(folder).facts.accounts.missing_unit == 5


def test_lines_that_are_no_records_are_lost(folder):
    path = write(folder, units((300, 300)))
    whole = path.read_text()
    path.write_text(whole + '{"type": "exposure", "ti')  # a process was killed, or is writing
    assert check_of(online_report(folder), "losses").is_healthy
    path.write_text("garbage\n" + whole + '{"type": "exposure"}\n')
    assert "2 unreadable" in check_of(online_report(folder), "losses").text


def test_calls_without_units_are_told_from_1_percent(folder):
    write(folder, [*units((300, 300)), account("host-1-a", lines=1200, repeated=390, missing_unit=10)])
    found = check_of(online_report(folder), "missing units")
    assert "10 of 1000 calls had no unit (1.00%)" in found.text
    assert not found.is_healthy
    write(folder, [*units((300, 300)), account("host-1-a", lines=1200, repeated=391, missing_unit=9)])
    assert check_of(online_report(folder), "missing units").is_healthy


def moved(counts, later, *, share):
    """Give units of equal shares, and after them units of which the second arm has another share."""
    records = units(counts)
    for arm, count, of_arm in zip(ARMS, later, (1 - share, share), strict=True):
        for unit in range(count):
            name, at = f"{arm}-later-{unit}", 2000 + unit * 1000 / count
            records += [exposure(name, arm, at, share=of_arm), outcome(name, "purchase", unit % 5, at + 1)]
    return records


def test_shares_that_moved_are_weighed(folder):
    write(folder, moved((300, 300), (250, 750), share=0.75))
    report = online_report(folder)
    found = check_of(report, "sample ratio")
    assert report.is_healthy
    assert "control 550, discount 1050; by shares that moved they stand for 1600, 1600, expected 1600" in found.text
    assert "weighed by 1 / propensity" in str(report)


def test_units_that_a_moving_arm_lacks_are_told(folder):
    write(folder, moved((300, 300), (250, 500), share=0.75))
    report = online_report(folder)
    found = check_of(report, "sample ratio")
    assert "they stand for 1600, 1267, expected 1350" in found.text
    assert "Calls of discount end before they run" in found.cause
    assert report.verdict("purchase").startswith("no verdict: sample ratio")


def test_a_moving_arm_that_is_never_exposed_is_missed(folder):
    records = moved((300, 300), (250, 750), share=0.75)
    write(folder, [one for one in records if "control" not in one["feature_flag.context.id"]])
    assert check_of(online_report(folder), "sample ratio").cause.startswith("Never exposed: control")


def test_units_that_moving_weights_moved_have_their_cause(folder):
    crossed = [exposure(f"control-{unit}", "discount", 4000 + unit, share=0.75) for unit in range(20)]
    write(folder, [*moved((300, 300), (250, 750), share=0.75), *crossed])
    found = check_of(online_report(folder), "crossovers")
    assert "20 of 1600 units were exposed to several arms (1.25%)" in found.text
    assert "as a bandit's do" in found.cause
    assert not found.is_healthy


@pytest.mark.parametrize("share", [None, 0, 1.5])
def test_exposures_without_propensity_bear_no_verdict(folder, share):
    records = units((300, 300))
    for record in records[::50]:
        record |= {"spearmint.propensity": share}
    write(folder, records)
    report = online_report(folder)
    assert "24 of 600 exposures have no propensity above 0, up to 1" in check_of(report, "propensities").text
    assert report.verdict("purchase").startswith("no verdict: propensities")


def test_an_effect_that_turns_is_told_as_drift(folder):
    rng = np.random.default_rng(3)
    records = []
    for turn in range(3000):
        for place, arm in enumerate(ARMS):
            at = 2 * turn + place
            effect = place * (1.5 if turn < 1000 else -3.0)
            records += [exposure(f"{arm}-{turn}", arm, at), outcome(f"{arm}-{turn}", "m", rng.normal() + effect, at)]
    write(folder, records)
    report = online_report(folder)
    assert not check_of(report, "drift").is_healthy
    assert "m of discount" in check_of(report, "drift").text
    assert online_report(folder, test="fixed").is_healthy
