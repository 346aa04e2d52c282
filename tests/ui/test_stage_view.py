"""Stages on the page: buttons change the state file, for requests of this page alone."""

import numpy as np
import pytest

from spearmint.assignment.stages import Stage
from spearmint.online.rollout import Rollout
from spearmint.online.state_file import StateFile, latest_rollout
from tests.evaluation.online.journal_files import EXPERIMENT, write_arms

pytest.importorskip("duckdb")
testclient = pytest.importorskip("starlette.testclient")

from spearmint.ui.server import PageOptions, page_app  # noqa: E402 - starlette comes with an optional package

TOKEN = "a-token"
HOST = "http://127.0.0.1:8080"
FORM = {"token": TOKEN, "name": EXPERIMENT, "action": "rollback", "label": "stage 1 of 2"}


@pytest.fixture
def state(tmp_path):
    rng = np.random.default_rng(2)
    write_arms(tmp_path / "journal", {"control": rng.normal(0, 1, 50), "discount": rng.normal(0, 1, 50)})
    stages = (Stage(0.05, 0.0, approve=True), Stage(0.5, 0.0))
    begun = Rollout(name=EXPERIMENT, version="v1", arms=("control", "discount"), stages=stages)
    file = StateFile(tmp_path / "journal")
    file.change(lambda _: {(EXPERIMENT, "v1"): begun})
    return file


@pytest.fixture
def client(state):
    options = PageOptions(TOKEN, (str(state.path.parent),))
    made = testclient.TestClient(page_app(options), base_url=HOST, follow_redirects=False)
    made.get("/", params={"token": TOKEN})
    return made


def post(client, form, **headers):
    return client.post("/stage", data=form, headers={"origin": HOST, **headers})


@pytest.mark.parametrize("action", ["approve", "next", "rollback"])
def test_buttons_change_the_state(client, state, action):
    text = client.get("/experiment", params={"name": EXPERIMENT}).text
    assert f'<button name="action" value="{action}"' in text
    assert '<input type="hidden" name="label" value="stage 1 of 2">' in text
    answer = post(client, FORM | {"action": action})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/experiment?name=shop.rank%3Ascore"
    now = latest_rollout(state.read(), EXPERIMENT)
    assert (now.is_approved, now.stage, now.status) == {
        "approve": (True, 0, "running"),
        "next": (False, 1, "running"),
        "rollback": (False, 0, "rolled_back"),
    }[action]


@pytest.mark.parametrize("action", ["approve", "next"])
def test_a_second_click_decides_nothing_more(client, state, action):
    post(client, FORM | {"action": "next"})
    answer = post(client, FORM | {"action": action})
    assert answer.status_code == 404
    assert "it is at stage 2 of 2 by now. Look again." in answer.text
    now = latest_rollout(state.read(), EXPERIMENT)
    assert (now.is_approved, now.stage, now.status) == (False, 1, "running")
    post(client, FORM)
    assert latest_rollout(state.read(), EXPERIMENT).status == "rolled_back"


def test_what_was_rolled_back_has_no_buttons(client):
    post(client, FORM)
    text = client.get("/experiment", params={"name": EXPERIMENT}).text
    assert "rolled back: by hand, on the page" in text
    assert "<button" not in text


def test_overview_tells_the_stage(client, state):
    assert '<td class="words">stage 1 of 2</td>' in client.get("/").text
    post(client, FORM)
    assert '<td class="words">rolled back</td>' in client.get("/").text
    state.path.write_text("{", encoding="utf-8")
    assert '<td class="words">unknown</td>' in client.get("/").text


@pytest.mark.parametrize(
    ("form", "headers"),
    [
        (FORM, {"origin": "http://evil.test"}),
        (FORM, {"origin": "null"}),
        (FORM, {"origin": "http://127.0.0.1:9999"}),
        (FORM, {"origin": "https://127.0.0.1:8080"}),
        (FORM | {"token": "guess"}, {}),
        (FORM, {"cookie": "spearmint-token=guess"}),
    ],
)
def test_requests_of_others_change_nothing(client, state, form, headers):
    if "cookie" in headers:
        client.cookies.clear()
    assert post(client, form, **headers).status_code == 403
    assert latest_rollout(state.read(), EXPERIMENT).status == "running"


def test_reading_changes_nothing(client, state):
    assert client.get("/stage", params=FORM).status_code in {303, 405}
    assert latest_rollout(state.read(), EXPERIMENT).status == "running"


@pytest.mark.parametrize(
    ("change", "message"), [({"action": "rolback"}, "there are approve"), ({"name": "attic"}, "it has no stages")]
)
def test_what_cannot_be_done_is_told(client, change, message):
    answer = post(client, FORM | change)
    assert answer.status_code == 404
    assert message in answer.text
