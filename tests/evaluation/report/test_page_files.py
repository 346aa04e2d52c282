"""A page on disk: whole outputs from a store, and a folder for what would make the page too large."""

import json
import re
import shutil
import subprocess

import pytest

from spearmint import Spearmint
from spearmint.errors import EvaluationError

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LONG = "word " * 200
CONFIGS = [{"word": "right", "api_key": "one-secret-key"}, {"word": "wrong", "api_key": "two-secret-key"}]

# What a reader sees of the last row, once it is opened.
OPEN = """<script>
addEventListener("load", () => {
  const buttons = document.querySelectorAll("#row-body button");
  buttons[buttons.length - 1].click();
  setTimeout(() => {
    const texts = [...document.querySelectorAll("#row-body .opened code")].map((node) => node.textContent);
    document.title = JSON.stringify({ texts, told: document.getElementById("row-told").textContent });
  }, 3000);
});
</script>"""

# What a reader sees who opens a row twice and looks for a word, but thinks better of it before the rows are read.
HASTY = """<script>
addEventListener("load", () => {
  const row = document.querySelector("#row-body button");
  for (let click = 0; click < 3; click += 1) row.click();
  setTimeout(() => {
    const opened = document.querySelectorAll("#row-body .opened").length;
    parts.clear();
    document.getElementById("row-words").value = "nowhere";
    choose();
    document.getElementById("row-words").value = "";
    choose();
    setTimeout(() => {
      const count = document.getElementById("row-count").textContent;
      document.title = JSON.stringify({ opened, count });
    }, 2000);
  }, 2000);
});
</script>"""


def answer(x, config):
    return f"{x} {LONG}{config['word']} {config['api_key']}"


def size(outputs):
    return len(outputs)


def report_of(rows, **options):
    data = [{"x": number} for number in range(rows)]
    return Spearmint().evaluate(answer, data, scorers=[size], configs=CONFIGS, progress=False, **options)


@pytest.fixture
def small_pages(monkeypatch):
    monkeypatch.setattr("spearmint.evaluation.report.page.MOST_BYTES", 20_000)


def test_page_has_whole_outputs_from_the_store(tmp_path):
    report = report_of(2, store=tmp_path / "runs.db")
    page = report.to_html()
    assert f"0 {LONG}right " in page
    assert f"1 {LONG}wrong " in page
    assert "secret-key" not in page
    (tmp_path / "runs.db").unlink()
    page = report.to_html()
    assert LONG not in page
    assert "0 word word" in page


def test_page_without_a_store_has_the_beginnings_of_outputs():
    page = report_of(2).to_html()
    assert LONG not in page
    assert "0 word word" in page


def test_page_that_is_small_has_no_folder(tmp_path):
    report_of(2, store=tmp_path / "runs.db").save(tmp_path / "report.html")
    assert {one.name for one in tmp_path.iterdir() if one.name.startswith("report")} == {"report.html"}


@pytest.mark.usefixtures("small_pages")
def test_page_too_large_keeps_outputs_in_a_folder_beside_it(tmp_path):
    report = report_of(30, store=tmp_path / "runs.db")
    path = report.save(tmp_path / "the report.html")
    (part,) = (tmp_path / "the report_files").iterdir()
    page, rows = path.read_text(encoding="utf-8"), part.read_text(encoding="utf-8")
    assert len(page) < 100_000
    assert f"the%20report_files/{part.name}" in page
    assert LONG not in page
    assert all(f"{number} {LONG}{word} " in rows for number in range(30) for word in ("right", "wrong"))
    assert "secret-key" not in rows
    assert "too large" not in page


@pytest.mark.usefixtures("small_pages")
def test_page_fills_its_file_before_there_is_a_folder(tmp_path):
    path = report_of(6, store=tmp_path / "runs.db").save(tmp_path / "report.html")
    assert not (tmp_path / "report_files").exists()
    assert all(f"{number} {LONG}{word} " in path.read_text() for number in range(6) for word in ("right", "wrong"))
    report_of(10, store=tmp_path / "runs.db").save(path)
    assert (tmp_path / "report_files").exists()


@pytest.mark.usefixtures("small_pages")
def test_page_as_one_file_is_cut_where_it_would_be_too_large(tmp_path):
    page = report_of(30, store=tmp_path / "runs.db").to_html()
    assert re.search(r"Of \d+ outputs only the beginnings are here, as the page would be too large", page)


@pytest.mark.usefixtures("small_pages")
def test_page_saved_again_takes_the_files_of_the_last_one_away(tmp_path, monkeypatch):
    path, folder = tmp_path / "report.html", tmp_path / "report_files"
    report_of(30, store=tmp_path / "runs.db").save(path)
    (folder / "mine.txt").write_text("kept", encoding="utf-8")
    first = {one.name for one in folder.glob("rows-*.js")}
    report = report_of(40, store=tmp_path / "runs.db")
    with monkeypatch.context() as patched:
        patched.setattr("spearmint.evaluation.report.page.readable", refuse)
        with pytest.raises(EvaluationError):
            report.save(path)
    assert {one.name for one in folder.glob("rows-*.js")} == first
    report.save(path)
    assert first.isdisjoint(one.name for one in folder.iterdir())
    monkeypatch.undo()
    report.save(path)
    assert [one.name for one in folder.iterdir()] == ["mine.txt"]


def refuse(text):
    raise EvaluationError("no")


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
@pytest.mark.usefixtures("small_pages")
def test_browser_reads_rows_from_the_folder(tmp_path):
    path = report_of(30, store=tmp_path / "runs.db").save(tmp_path / "a #report.html")
    texts = opened(path)
    assert texts["told"] == ""
    assert texts["texts"][0] == "29"
    assert any(text.startswith(f"29 {LONG}right") for text in texts["texts"])
    (tmp_path / "a #report_files").rename(tmp_path / "elsewhere")
    told = opened(path)["told"]
    assert re.fullmatch(r"Cannot read a%20%23report_files/rows-\w+\.js, which belongs beside this page\.", told)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
@pytest.mark.usefixtures("small_pages")
def test_browser_shows_what_was_chosen_last(tmp_path):
    path = report_of(30, store=tmp_path / "runs.db").save(tmp_path / "report.html")
    assert opened(path, HASTY) == {"opened": 1, "count": "30 of 30 rows"}


def opened(path, probe=OPEN):
    page = path.read_text(encoding="utf-8")
    nonce = re.search(r"nonce-([\w-]+)", page)[1]
    probe = probe.replace("<script>", f'<script nonce="{nonce}">')
    asking = path.with_name("asking.html")
    asking.write_text(page.replace("</head>", f"{probe}</head>", 1), encoding="utf-8")
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
    command = [CHROMIUM, *quiet, "--virtual-time-budget=8000", "--dump-dom", asking.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    title = re.search(r"<title>(\{.*?\})</title>", done.stdout, re.DOTALL)
    assert title, done.stderr
    return json.loads(title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))
