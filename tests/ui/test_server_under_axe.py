"""The pages under axe, which is to call no fault serious: in light and dark, on a desk and on a phone."""

import re

import numpy as np
import pytest

from spearmint import Spearmint
from spearmint.assignment.stages import Stage
from spearmint.online.rollout import Rollout
from spearmint.online.state_file import StateFile
from tests.axe import DARK_PHONE, LIGHT, serious_faults
from tests.evaluation.online.journal_files import EXPERIMENT, write_arms

pytest.importorskip("duckdb")
testclient = pytest.importorskip("starlette.testclient")

from spearmint.ui.server import PageOptions, page_app  # noqa: E402 - starlette comes with an optional package

TOKEN = "a-token"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    """A page with an experiment in its first stage, and with the run of an evaluation."""
    folder = tmp_path_factory.mktemp("ui")
    rng = np.random.default_rng(2)
    write_arms(folder / "journal", {"control": rng.normal(0, 1, 400), "discount": rng.normal(0.3, 1, 400)})
    stages = (Stage(0.05, 0.0, approve=True), Stage(0.5, 0.0))
    begun = Rollout(name=EXPERIMENT, version="v1", arms=("control", "discount"), stages=stages)
    StateFile(folder / "journal").change(lambda _: {(EXPERIMENT, "v1"): begun})
    report = Spearmint().evaluate(
        lambda x, config: x % 7 + config["add"],
        [{"x": x} for x in range(30)],
        configs=[{"add": 0}, {"add": 1}],
        scorers={"s": lambda outputs: outputs},
        progress=False,
    )
    (folder / "reports").mkdir()
    report.save(folder / "reports" / "run.json")
    options = PageOptions(
        TOKEN,
        (str(folder / "journal"),),
        folder / "reports",
        mlflow="http://mlflow.test",
        reach=lambda name: f"{name}\n└── shop.rank:weigh",
    )
    made = testclient.TestClient(page_app(options), base_url="http://127.0.0.1:8080")
    made.get("/", params={"token": TOKEN})
    return made


@pytest.mark.slow
@pytest.mark.parametrize("look", [LIGHT, DARK_PHONE], ids=["light", "dark on a phone"])
@pytest.mark.parametrize(
    "address",
    ["/", f"/experiment?name={EXPERIMENT}", "/evaluations", "/evaluation?file=run.json", "/experiment?name=missing"],
    ids=["overview", "experiment", "evaluations", "run", "failure"],
)
def test_page_has_no_serious_fault(client, tmp_path, address, look):
    style = client.get("/style.css").text
    page = client.get(address).text
    page = re.sub(r"<link[^>]*>", lambda _: f"<style>{style}</style>", page)
    page = re.sub(r"<script src=[^>]*></script>", "", page)
    assert serious_faults(page, tmp_path, look) == []
