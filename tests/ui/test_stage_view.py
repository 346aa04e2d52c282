"""Stages on the page: buttons change the state file, for requests of this page alone."""

import re

import numpy as np
import pytest

from spearmint.assignment.stages import Stage
from spearmint.online.rollout import Rollout
from spearmint.online.state_file import StateFile, latest_rollout
from spearmint.online.switch_rules import off_rule
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


def test_what_was_rolled_back_has_no_stage_buttons(client):
    post(client, FORM)
    text = client.get("/experiment", params={"name": EXPERIMENT}).text
    assert "rolled back: by hand, on the page" in text
    assert text.count("<button") == 1  # That of the kill switch.
    assert 'name="action" value="off"' in text


# The kill switch, of experiments with and without stages


@pytest.fixture
def plain(tmp_path):
    """A page over a journal of an experiment without stages."""
    rng = np.random.default_rng(2)
    write_arms(tmp_path / "plain", {"control": rng.normal(0, 1, 50), "discount": rng.normal(0, 1, 50)})
    made = testclient.TestClient(
        page_app(PageOptions(TOKEN, (str(tmp_path / "plain"),))), base_url=HOST, follow_redirects=False
    )
    made.get("/", params={"token": TOKEN})
    return made, StateFile(tmp_path / "plain")


def switch_label(client):
    text = client.get("/experiment", params={"name": EXPERIMENT}).text
    return re.search(r'name="label" value="([^"]*)"><button name="action" value="(?:on|off)"', text)[1]


def test_switch_needs_no_stages(plain):
    client, state = plain
    assert "Switch off in all processes" in client.get("/experiment", params={"name": EXPERIMENT}).text
    answer = post(client, FORM | {"action": "off", "label": switch_label(client)})
    assert (answer.status_code, answer.headers["location"]) == (303, "/experiment?name=shop.rank%3Ascore")
    assert off_rule(state.read_state().switches, EXPERIMENT).why == "by hand, on the page"
    text = client.get("/experiment", params={"name": EXPERIMENT}).text
    assert "Switch on again" in text
    assert re.search(r"<b>off since [-\d: ]+ UTC: by hand, on the page</b>", text)
    assert '<td class="words">switched off</td>' in client.get("/").text
    assert post(client, FORM | {"action": "on", "label": switch_label(client)}).status_code == 303
    assert off_rule(state.read_state().switches, EXPERIMENT) is None


def test_switch_leaves_stages_where_they_are(client, state):
    post(client, FORM | {"action": "off"})
    assert latest_rollout(state.read(), EXPERIMENT).status == "running"
    assert off_rule(state.read_state().switches, EXPERIMENT)
    post(client, FORM | {"action": "next"})
    assert off_rule(state.read_state().switches, EXPERIMENT)


@pytest.mark.parametrize(
    ("form", "headers"),
    [({"token": "other"}, {}), ({"token": ""}, {}), ({}, {"origin": "http://evil.example"}), ({}, {"origin": ""})],
)
def test_switch_needs_token_and_same_origin(plain, form, headers):
    client, state = plain
    assert post(client, FORM | {"action": "off"} | form, **headers).status_code == 403
    assert not state.path.exists()


def test_switch_is_no_get(plain):
    client, state = plain
    assert client.get("/stage", params=FORM | {"action": "off"}).status_code in (303, 405)
    assert not state.path.exists()


def test_page_from_before_switches_nothing_on(plain):
    client, state = plain
    post(client, FORM | {"action": "off"})
    old = switch_label(client)
    state.switch(EXPERIMENT, is_on=False, why="again, for another reason")
    answer = post(client, FORM | {"action": "on", "label": old})
    assert answer.status_code == 404
    assert "again, for another reason by now. Look again." in answer.text
    assert off_rule(state.read_state().switches, EXPERIMENT)


def test_without_a_folder_there_is_no_switch(tmp_path, plain):
    _, state = plain
    options = PageOptions(TOKEN, (f"{state.path.parent}/*.jsonl",))
    client = testclient.TestClient(page_app(options), base_url=HOST, follow_redirects=False)
    client.get("/", params={"token": TOKEN})
    assert "Kill switch" not in client.get("/experiment", params={"name": EXPERIMENT}).text
    assert "no folder of a journal is shown" in post(client, FORM | {"action": "off"}).text


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
