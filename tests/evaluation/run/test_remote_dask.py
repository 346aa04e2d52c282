import pytest

from spearmint import Race
from spearmint.errors import EvaluationError
from tests.evaluation import subjects

distributed = pytest.importorskip("distributed")

ROWS = [{"x": x, "expected": 2 * x} for x in range(30)]
SCORERS = [subjects.exact, subjects.distance]
mint = subjects.mint

# What dask's own threads do while a cluster starts and ends is not ours to mend.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("default")]


@pytest.fixture(scope="module")
def client():
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=50
        ) as cluster,
        distributed.Client(cluster) as one,
    ):
        yield one


def told(report):
    return [(one.case_id, one.metric, one.errors, one.estimate, one.difference) for one in report.summary()]


@pytest.mark.parametrize("function", [subjects.times, subjects.fails_on_seven, subjects.nested, subjects.plain_times])
def test_a_cluster_gives_the_results_that_threads_give(client, function):
    ours = mint.evaluate(function, ROWS, scorers=SCORERS, executor=client.get_executor())
    assert told(ours) == told(mint.evaluate(function, ROWS, scorers=SCORERS))


def test_a_cluster_shares_steps_as_threads_do(client):
    ours, theirs = (
        mint.evaluate(subjects.nested, ROWS, scorers=SCORERS, executor=executor).results.account
        for executor in (client.get_executor(), None)
    )
    assert (ours.calls, ours.reused) == (theirs.calls, theirs.reused) == (180, 4)  # 0 times each factor is 0.


def test_both_workers_work(client):
    report = mint.evaluate(
        subjects.burns, [{"x": x} for x in range(200)], scorers=[subjects.process_id], executor=client.get_executor()
    )
    pids = set(client.run(subjects.process_id, None).values())
    assert len(pids) == 2
    assert set(report.to_dataframe(cells=True)["process_id"]) == pids


def test_race_on_a_cluster_reaches_the_verdicts_of_threads(client):
    rows = [{"x": x, "expected": 2 * x} for x in range(1, 81)]
    race = Race("exact", block=10)
    ours, theirs = (
        mint.evaluate(subjects.times, rows, scorers=[subjects.exact], race=race, executor=executor)
        for executor in (None, client.get_executor())
    )
    assert [(one.case_id, one.rows, one.by) for one in ours.dropped] == [
        (one.case_id, one.rows, one.by) for one in theirs.dropped
    ]
    assert ours.dropped
    assert (ours.survivors, ours.confirmed) == (theirs.survivors, theirs.confirmed)


def test_an_async_function_runs_on_a_cluster(client):
    report = mint.evaluate(
        subjects.atimes, ROWS, scorers=SCORERS, executor=client.get_executor(), configs=[{"factor": 2}, {"factor": 1}]
    )
    assert [one.estimate.value for one in report.summary("exact")] == [1, 1 / 30]


def test_a_worker_that_is_killed_in_mid_run_loses_no_cell(client, tmp_path):
    rows = [{**row, "folder": str(tmp_path)} for row in ROWS]
    path = tmp_path / "run.jsonl"
    report = mint.evaluate(
        subjects.kills_its_worker_once, rows, scorers=SCORERS, executor=client.get_executor(), resume=path
    )
    assert (tmp_path / "killed").exists()
    assert report.errors == 0
    assert [one.estimate.n for one in report.summary("exact")] == [30, 30, 30]
    assert [one.estimate.value for one in report.summary("exact")] == [1 / 30, 1, 1 / 30]
    assert len(path.read_bytes().splitlines()) == 91


def test_import_error_of_workers_is_reported(client):
    with pytest.raises(EvaluationError, match="Cannot evaluate on this executor: a worker process cannot load it"):
        mint.evaluate(subjects.times, ROWS, scorers=[Unknown()], executor=client.get_executor())


class Unknown:
    """A scorer that cannot be unpacked."""

    def __call__(self, outputs):
        return 1

    def __reduce__(self):
        return _refuse, ()


def _refuse():
    raise ImportError("there is no such module here")
