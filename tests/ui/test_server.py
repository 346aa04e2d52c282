"""The page's server: who may see it, what it shows, and that nothing comes from elsewhere."""

import json

import numpy as np
import pytest

from spearmint import Spearmint
from tests.evaluation.online.journal_files import account, exposure, outcome, write, write_arms

pytest.importorskip("duckdb")
testclient = pytest.importorskip("starlette.testclient")

from spearmint.ui.server import PageOptions, page_app  # noqa: E402 - starlette comes with an optional package

TOKEN = "a-token"
HOST = "http://127.0.0.1:8080"
HOSTILE = "</script><b>\"quoted\" & 'so'</b>"


@pytest.fixture
def journal(tmp_path):
    rng = np.random.default_rng(2)
    write_arms(tmp_path / "journal", {"control": rng.normal(0, 1, 200), "discount": rng.normal(1, 1, 200)})
    return tmp_path / "journal"


@pytest.fixture
def stranger(journal, tmp_path):
    """A client that has not opened the address which was printed."""
    (tmp_path / "reports").mkdir()
    options = PageOptions(TOKEN, (str(journal),), tmp_path / "reports", mlflow="http://mlflow.test/")
    return testclient.TestClient(page_app(options), base_url=HOST, follow_redirects=False)


@pytest.fixture
def client(stranger):
    answer = stranger.get("/", params={"token": TOKEN})
    assert answer.status_code == 303
    assert TOKEN not in answer.headers["location"]
    return stranger


@pytest.mark.parametrize("path", ["/", "/experiment?name=x", "/evaluations", "/style.css", "/?token=wrong", "/attic"])
def test_without_the_token_nothing_is_shown(stranger, path):
    answer = stranger.get(path)
    assert answer.status_code == 403
    assert "spearmint ui" in answer.text


def test_another_name_for_loopback_is_refused(client):
    """A page of another site cannot rebind its name to this server."""
    answer = client.get("/", headers={"host": "evil.test"})
    assert answer.status_code == 421


def test_cookie_is_kept_from_scripts_and_other_sites(stranger):
    cookie = stranger.get("/", params={"token": TOKEN}).headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie


def test_answers_load_nothing_from_elsewhere(client):
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["cache-control"] == "no-store"
    for path in ("/style.css", "/live.js"):
        assert client.get(path).headers["x-content-type-options"] == "nosniff"
        assert "http" not in client.get(path).text.replace("http://www.w3.org", "")


def test_experiment_shows_what_it_reaches_where_asked(journal):
    asked = []

    def reach(name):
        asked.append(name)
        return f"{name}\n└── shop.rank:{HOSTILE}"

    app = page_app(PageOptions(TOKEN, (str(journal),), reach=reach))
    client = testclient.TestClient(app, base_url=HOST)
    client.get("/", params={"token": TOKEN})
    text = client.get("/experiment", params={"name": "shop.rank:score"}).text
    assert "What it reaches" in text
    assert "└── shop.rank:&lt;/script&gt;" in text
    assert asked == ["shop.rank:score"]


def test_experiment_is_imported_only_where_asked(client):
    assert "What it reaches" not in client.get("/experiment", params={"name": "shop.rank:score"}).text


def test_overview_tells_units_health_and_verdicts(client):
    text = client.get("/").text
    assert "control 200, discount 200" in text
    assert "✓ healthy" in text
    assert "purchase of discount: higher" in text
    assert 'href="/experiment?name=shop.rank%3Ascore"' in text


def test_experiment_shows_the_interval_as_it_narrows(client):
    answer = client.get("/experiment", params={"name": "shop.rank:score"})
    assert answer.status_code == 200
    assert "The records can bear a verdict." in answer.text
    assert answer.text.count('<svg class="lines"') == 2
    assert 'href="http://mlflow.test/#/experiments/0/traces' in answer.text
    assert "style=" not in answer.text


def test_page_follows_the_journal(client, journal):
    client.get("/")
    write(journal, [exposure(f"x{unit}", "control", 9000 + unit) for unit in range(300)], "host-2-b")
    text = _soon(client)
    assert "control 500, discount 200" in text
    assert "✗ sample ratio" in text


def _soon(client):
    """Ask until the reports have been made again, which a page does not do at once."""
    for _ in range(2000):
        text = client.get("/").text
        if "control 500" in text:
            return text
    raise AssertionError(text)


def test_unknown_experiment_is_told(client):
    answer = client.get("/experiment", params={"name": HOSTILE})
    assert answer.status_code == 404
    assert "no such experiment" in answer.text
    assert "<b>" not in answer.text


def test_hostile_names_are_text(tmp_path):
    records = [exposure(f"u{unit}", HOSTILE, unit, experiment=HOSTILE, main=HOSTILE, share=1.0) for unit in range(30)]
    write(tmp_path / "j", [*records, outcome("u1", HOSTILE, 1, 99), account("host-1-a", lines=31)])
    options = PageOptions(TOKEN, (str(tmp_path / "j"),))
    client = testclient.TestClient(page_app(options), base_url=HOST)
    assert "<b>" not in client.get("/", params={"token": TOKEN}).text
    answer = client.get("/experiment", params={"name": HOSTILE})
    assert answer.status_code == 200
    assert "<b>&#34;" not in answer.text
    assert "</script><b>" not in answer.text


def test_runs_of_evaluations_are_tables(client, tmp_path):
    configs = [{"__config_id__": "one", "add": 0}, {"__config_id__": "two", "add": 1}]
    rows = [{"x": x} for x in range(30)]
    report = Spearmint().evaluate(
        lambda x, config: x % 7 + config["add"], rows, configs=configs, scorers={"s": lambda outputs: outputs}
    )
    report.save(tmp_path / "reports" / "a run.json")
    report.save(tmp_path / "reports" / "page.html")
    listed = client.get("/evaluations").text
    assert 'href="/evaluation?file=a%20run.json"' in listed
    text = client.get("/evaluation", params={"file": "a run.json"}).text
    assert "<td>+1</td>" in text
    assert "higher" in text
    page = client.get("/evaluation", params={"file": "page.html"})
    assert page.headers["content-security-policy"].startswith("sandbox;")
    assert page.text == (tmp_path / "reports" / "page.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("name", ["../secret.json", "../secret.html", "attic.json", "", "note.txt", "/etc/passwd"])
def test_files_outside_the_folder_are_none(client, tmp_path, name):
    (tmp_path / "secret.json").write_text(json.dumps({"spearmint_run": 1}))
    (tmp_path / "secret.html").write_text("secret")
    (tmp_path / "reports" / "note.txt").write_text("secret")
    answer = client.get("/evaluation", params={"file": name})
    assert answer.status_code == 404
    assert "no such file" in answer.text
