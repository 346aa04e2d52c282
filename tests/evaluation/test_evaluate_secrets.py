"""What an evaluation writes shows no secret: tables, pages, journals and MLflow runs."""

import pytest

from spearmint import Config, Spearmint
from spearmint.secret_forms import MASK
from tests.mlflow_state import mlflow_as_it_was

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # MLflow's own, of what it is built on

KEY = "k-4f9a77b1c2"
PASSWORD = "pg-pass-77"
CONFIGS = [{"llm": {"api_key": KEY}, "db": f"postgresql://ann:{PASSWORD}@db/shop", "n": n} for n in (1, 2)]
ROWS = [
    {
        "inputs": {"question": "why row-secret-5", "x": x, "headers": [["Authorization", "row-secret-5"]]},
        "expectations": {"password": "want-secret-7", "answer": f"row-secret-5 as want-secret-7 of {x}"},
    }
    for x in range(1, 7)
]
SECRETS = (KEY, PASSWORD, "row-secret-5", "out-secret-9", "want-secret-7")


@Spearmint(configs=CONFIGS).experiment()
def answer(question, x, headers, config: Config):
    if x == 3:
        raise ValueError(f"{config.llm.api_key} was refused by {config.db}; token=out-secret-9; {question}")
    return {
        "echo": f"{config.llm.api_key}, {headers[0][1]}, out-secret-9",
        "token": "out-secret-9",
        "db": config.db,
    }


def right(outputs, expectations, inputs, config):
    if config.n == 2 and inputs["x"] < 3:
        raise KeyError(f"no {outputs['echo']} but {expectations['answer']}")
    return float(config.n == 1 or inputs["x"] % 2)


@pytest.fixture(scope="module")
def evaluated(tmp_path_factory):
    """Evaluate, with a journal; give the report and the journal's file."""
    journal = tmp_path_factory.mktemp("journal") / "run.jsonl"
    mint = Spearmint(configs=CONFIGS)
    return mint.evaluate(answer, ROWS, scorers=[right], resume=journal, progress=False), journal


def test_parameters_are_masked(evaluated) -> None:
    report, _ = evaluated
    first = report.cases[0].parameters
    assert first == {"llm.api_key": MASK, "db": f"postgresql://ann:{MASK}@db/shop", "n": 1}
    assert report.cases[0].config["llm"]["api_key"] == KEY


@pytest.mark.parametrize("name", ["report.html", "report.csv"])
def test_saved_report_shows_no_secret(evaluated, tmp_path, name) -> None:
    report, _ = evaluated
    text = report.save(tmp_path / name).read_text(encoding="utf-8")
    assert MASK in text
    if name == "report.html":
        assert f"why {MASK}" in text
        assert f"{MASK} as {MASK} of 4" in text
    assert [one for one in SECRETS if one in text] == []


def test_printed_report_and_cells_show_no_secret(evaluated) -> None:
    report, _ = evaluated
    text = (
        str(report) + report._repr_html_() + report.to_dataframe().to_csv() + report.to_dataframe(cells=True).to_csv()
    )
    assert [one for one in SECRETS if one in text] == []


def test_journal_texts_show_no_secret(evaluated) -> None:
    _, journal = evaluated
    text = journal.read_text(encoding="utf-8")
    assert "was refused by" in text
    errors = [line for line in text.splitlines() if "was refused by" in line or "KeyError" in line]
    assert len(errors) == 4
    assert not any(one in line.partition('"stored"')[0] for line in errors for one in SECRETS)


def test_mlflow_run_shows_no_secret(evaluated, tmp_path) -> None:
    mlflow = pytest.importorskip("mlflow")
    from spearmint.evaluation.tracking import log_report

    report, _ = evaluated
    database = tmp_path / "mlflow.db"
    with mlflow_as_it_was():
        mlflow.set_tracking_uri(f"sqlite:///{database}")
        mlflow.create_experiment("x", artifact_location=str(tmp_path / "artifacts"))
        mlflow.set_experiment("x")
        log_report(report)
    files = [path for path in [database, *(tmp_path / "artifacts").rglob("*")] if path.is_file()]
    assert len(files) > 1
    assert [(path.name, one) for path in files for one in SECRETS if one.encode() in path.read_bytes()] == []
