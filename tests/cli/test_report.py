"""``spearmint report``: what it prints and writes, and what its exit status says."""

import json

import numpy as np
import pytest

from tests.evaluation.online.journal_files import exposure, outcome, write, write_arms

pytest.importorskip("duckdb")


@pytest.fixture
def journal(folder):
    rng = np.random.default_rng(4)
    write_arms(folder / "journal", {"control": rng.normal(0, 1, 400), "discount": rng.normal(1, 1, 400)})
    return folder / "journal"


def test_tables_stand_below_health(invoke, journal):
    result = invoke("report", "journal", "--html", "page.html", "--csv", "numbers.csv")
    assert result.exit_code == 0
    assert result.stdout.index("✓ sample ratio") < result.stdout.index("purchase")
    assert "higher" in result.stdout
    assert "Report: page.html" in result.stderr
    assert (journal.parent / "numbers.csv").read_text().startswith("metric,arm")


def test_json_is_what_the_report_says(invoke, journal):
    def told(*arguments):  # Threads add up, so that the last digits depend on their order.
        stdout = invoke("report", str(journal), *arguments, "--json").stdout
        return json.loads(stdout, parse_float=lambda digits: f"{float(digits):.9g}")

    report = told("--experiment", "shop.rank:score")
    assert report["is_healthy"] is True
    assert report["summaries"][1]["verdict"] == "higher"
    assert told() == [report]


@pytest.mark.parametrize(
    ("gate", "status", "word"),
    [("purchase=0.5", 0, "PASS"), ("purchase=3", 1, "REGRESSION"), ("purchase=1.0", 2, "INCONCLUSIVE")],
)
def test_gate_decides_on_the_bound_of_the_interval(invoke, journal, gate, status, word):
    result = invoke("report", str(journal), "--gate", gate, "--junit", "gates.xml", "--summary", "gates.md")
    assert result.exit_code == status
    assert f"{word} purchase of discount" in result.stdout
    assert "testcase" in (journal.parent / "gates.xml").read_text()
    assert "discount" in (journal.parent / "gates.md").read_text(encoding="utf-8")


def test_less_is_better_of_errors(invoke, folder):
    rng = np.random.default_rng(4)
    write_arms(folder / "j", {"control": rng.normal(0, 1, 400), "discount": rng.normal(1, 1, 400)}, name="error")
    assert invoke("report", "j", "--gate", "error=-0.5").exit_code == 1
    assert invoke("report", "j", "--gate", "error=-2").exit_code == 0


def test_unhealthy_records_pass_no_gate(invoke, folder):
    records = [exposure(f"u{unit}", "control", unit) for unit in range(400)]
    write(folder / "j", [*records, outcome("u1", "purchase", 1, 500)])
    result = invoke("report", "j")
    assert result.exit_code == 0
    assert "✗ sample ratio" in result.stdout
    assert invoke("report", "j", "--gate", "purchase=-1").exit_code == 3  # there is no arm to hold against main


def test_what_cannot_be_read_has_a_status_of_its_own(invoke, folder):
    result = invoke("report", "attic")
    assert result.exit_code == 3
    assert "Cannot read the journal 'attic': it has no .jsonl file" in result.stderr
    assert invoke("report").exit_code == 3


def test_files_take_one_experiment(invoke, folder):
    write(folder / "j", [exposure("a", "x", 1, experiment=name) for name in ("one", "two")])
    result = invoke("report", "j", "--html", "page.html")
    assert result.exit_code == 3
    assert "There are one, two" in result.stderr
    assert "one: 2 arms" in invoke("report", "j").stdout
