"""Lines of a journal become a table: what few of them have in common is told once, wherever in the files it stands."""

import pytest

from tests.evaluation.online.journal_files import account, exposure, mean_of_calls, outcome, write

pytest.importorskip("duckdb")

from spearmint.evaluation.online import journal_table

ODD = "null \"x\" 'y' \\ é 😀 " + 40 * "long "
LABELS = "SELECT type, experiment, arm, version, main, name, unit, value, count, time FROM lines ORDER BY ALL"


def odd_records():
    return [
        exposure("u1", "control", 1),
        exposure("u2", ODD, 2, version=ODD, main=ODD),
        exposure("u3", "null", 3, experiment="other:one"),
        outcome("u1", ODD, 2, 4),
        mean_of_calls("u1", "control", "error", 0.5, count=2, at=5),
        {"type": "outcome", "name": None, "value": 1.0, "time": 6},
        {"type": "unheard of", "name": ""},
        account("host-1-a", dropped=3),
    ]


def told(folder, query):
    with journal_table.open_journals(folder) as table:
        return table.rows(query)


@pytest.mark.parametrize("first_lines", [0, 1, 3, 5000])
def test_labels_are_alike_wherever_they_stand(tmp_path, monkeypatch, first_lines):
    write(tmp_path, odd_records())
    expected = told(tmp_path, LABELS)
    groups = "SELECT * EXCLUDE (file) FROM groups ORDER BY ALL"
    expected_groups = told(tmp_path, groups)
    assert {ODD, "null", None} <= {row[2] for row in expected}
    assert {row[5] for row in expected} == {None, "", "error", ODD}
    assert len(expected) == len(expected_groups) == len(odd_records())
    monkeypatch.setattr(journal_table, "_FIRST_LINES", first_lines)
    assert told(tmp_path, LABELS) == expected
    assert told(tmp_path, groups) == expected_groups
    assert told(tmp_path, "SELECT process, dropped FROM accounts") == [("host-1-a", 3)]


def test_labels_that_come_late_in_large_journals(tmp_path):
    many = [exposure(f"user-{number}", "control", number) for number in range(12_000)]
    write(tmp_path, many, "host-0-a")
    write(tmp_path, odd_records())
    rows = told(tmp_path, "SELECT experiment, arm, records FROM groups WHERE type = 'exposure' AND arm <> 'control'")
    assert sorted(rows) == [("other:one", "null", 1), ("shop.rank:score", ODD, 1)]
    counts = told(tmp_path, "SELECT count(*), count(DISTINCT label) FROM numbered")
    assert counts == told(tmp_path, "SELECT count(*), count(DISTINCT label) FROM lines") == [(12_008, 7)]
