import pytest

from spearmint import Race, Spearmint
from spearmint.evaluation.tracking import log_report
from spearmint.statistics.intervals import wilson
from tests.evaluation import subjects
from tests.mlflow_state import mlflow_as_it_was

mlflow = pytest.importorskip("mlflow")

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]  # MLflow's own, of what it is built on
ROWS = [{"x": x, "expected": 2 * x} for x in range(30)]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("store")
    with mlflow_as_it_was():
        mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
        name = mlflow.create_experiment("evaluation", artifact_location=(folder / "artifacts").as_uri())
        mlflow.set_experiment(experiment_id=name)
        yield mlflow.MlflowClient()


@pytest.fixture(scope="module")
def logged(store):
    report = subjects.mint.evaluate(
        subjects.nested, [{"x": x / 10} for x in range(30)], scorers={"a<b>": lambda outputs: outputs}
    )
    run_id = log_report(report, run_name="nightly")
    experiment_id = store.get_run(run_id).info.experiment_id
    children = store.search_runs([experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
    return report, store.get_run(run_id), sorted(children, key=lambda run: run.info.start_time)


def test_the_parent_has_the_table_the_page_and_the_dataset(store, logged):
    report, parent, _ = logged
    assert parent.info.run_name == "nightly"
    assert "| rounded: digits | 0 | " in parent.data.tags["mlflow.note.content"]
    assert parent.info.status == "FINISHED"
    assert parent.data.params["function"] == report.function
    assert parent.data.params["rows"] == "30"
    assert {file.path for file in store.list_artifacts(parent.info.run_id)} == {"report.html", "report.csv"}
    (given,) = parent.inputs.dataset_inputs
    assert given.dataset.name == "data"


def test_each_case_is_a_child_with_its_parameters_and_metrics(logged):
    report, _, children = logged
    assert [run.data.tags["spearmint.config_id"] for run in children] == [case.case_id for case in report.cases]
    assert [run.data.tags["spearmint.case_id"] for run in children] == [case.case_id for case in report.cases]
    assert children[0].info.run_name == "factor=1 · digits=0"
    assert [run.data.tags["spearmint.role"] for run in children] == ["main", *["variant"] * 5]
    last = children[-1].data
    assert last.params["factor"] == "3"
    assert last.params["rounded_ digits"] == "1"
    told = report.summary("a<b>")[-1]
    assert last.metrics["a_b_"] == told.estimate.value
    assert last.metrics["a_b_.difference"] == told.difference.value
    assert last.metrics["a_b_.p_value"] == told.difference.adjusted
    assert last.metrics["latency.p95"] == told.p95
    assert "a_b_.difference" not in children[0].data.metrics


def test_inside_a_run_the_report_is_its_child(store):
    report = subjects.mint.evaluate(subjects.times, ROWS, scorers=[subjects.exact])
    with mlflow.start_run() as outer:
        run_id = log_report(report)
    assert store.get_run(run_id).data.tags["mlflow.parentRunId"] == outer.info.run_id


def test_scorers_of_mlflow_work_as_they_are():
    from mlflow.entities import Feedback
    from mlflow.genai.scorers import scorer

    @scorer
    def right(outputs, expectations):
        return outputs == expectations["expected"]

    @scorer
    def judged(inputs, outputs):
        return Feedback(name="judged", value="yes" if outputs > 10 else "no", rationale="because")

    report = subjects.mint.evaluate(subjects.times, ROWS, scorers=[right, judged])
    assert [one.estimate.value for one in report.summary("right")] == [1 / 30, 1, 1 / 30]
    assert report.summary("judged")[0].estimate.value == 19 / 30


def test_a_scorer_that_takes_the_trace_gets_the_one_of_its_cell(store):
    def traced(trace, outputs):
        return trace.data.spans[0].outputs == outputs and trace.data.spans[0].inputs["x"] * 2 == outputs

    report = subjects.mint.evaluate(subjects.times, ROWS[1:3], scorers=[traced], configs=[{"factor": 2}])
    assert report.errors == 0
    assert report.summary("traced")[0].estimate.value == 1


def test_rows_come_from_datasets_of_mlflow():
    import pandas as pd

    frame = pd.DataFrame({"x": [1, 2], "answer": [2, 4]})
    made = mlflow.data.from_pandas(frame, targets="answer", name="pairs")
    report = subjects.mint.evaluate(subjects.times, made, scorers=[subjects.exact])
    assert report.dataset.name == "pairs"
    assert report.summary("exact")[1].estimate.value == 1


def test_rows_come_from_the_evaluation_datasets_of_mlflow(store):
    from mlflow.genai.datasets import create_dataset

    made = create_dataset(name="pairs of numbers")
    made.merge_records([{"inputs": {"x": x}, "expectations": {"expected": 2 * x}} for x in range(3)])
    report = subjects.mint.evaluate(subjects.times, made, scorers=[subjects.exact])
    assert report.dataset.name == "pairs of numbers"
    assert report.summary("exact")[1].estimate == wilson(3, 3)


def test_each_case_of_a_race_has_its_fate(store):
    def answer(x, config: dict):
        return float(x % 10 < config["k"])

    rows, configs = [{"x": x} for x in range(200)], [{"k": 5}, {"k": 9}, {"k": 1}]
    scorers = {"right": lambda outputs: outputs}
    report = Spearmint().evaluate(answer, rows, scorers=scorers, configs=configs, race=Race("right"))
    run_id = log_report(report)
    assert "Race by right: 1 of 3 cases are left" in store.get_run(run_id).data.tags["mlflow.note.content"]
    experiment_id = store.get_run(run_id).info.experiment_id
    children = store.search_runs([experiment_id], f"tags.`mlflow.parentRunId` = '{run_id}'")
    fates = [child.data.tags["spearmint.fate"].split()[0] for child in children]
    assert sorted(fates) == ["dropped", "dropped", "won"]
