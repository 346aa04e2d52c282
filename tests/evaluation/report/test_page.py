"""The HTML report: what it holds, and how a browser shows it."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from spearmint import Config, DynamicValue, Spearmint, precomputed
from tests.evaluation import subjects

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VOID = {"meta", "input"}
HOSTILE = "</script><b>\"quoted\" & 'so'</b>"

# What a browser is asked about the page.
PROBE = """<script>
addEventListener("load", () => {
  const text = (node) => getComputedStyle(node);
  const outside = [...document.querySelectorAll("svg text")].filter((node) => {
    const box = node.getBoundingClientRect(), frame = node.closest("svg").getBoundingClientRect();
    return box.left < frame.left - 1 || box.right > frame.right + 1 || box.bottom > frame.bottom + 1;
  }).map((node) => node.textContent);
  const luminance = (colour) => {
    const parts = colour.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255)
      .map((part) => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2];
  };
  const contrast = (one, other) => {
    const [high, low] = [luminance(one), luminance(other)].sort((a, b) => b - a);
    return (high + 0.05) / (low + 0.05);
  };
  const card = text(document.querySelector("section")).backgroundColor;
  const marks = [...document.querySelectorAll("svg .mark")].map((node) => contrast(text(node).fill, card));
  const words = [...document.querySelectorAll("p, th, td, summary, .key span")]
    .map((node) => contrast(text(node).color, card));
  document.title = JSON.stringify({
    outside, card,
    wide: document.documentElement.scrollWidth > innerWidth,
    loaded: performance.getEntriesByType("resource").length,
    charts: [...document.querySelectorAll(".chart, svg.parallel")].map((node) => node.getAttribute("aria-label")),
    drawn: document.querySelectorAll("svg .mark").length,
    words: Math.min(...words), marks: Math.min(...marks),
  });
});
</script>"""

# What a reader does with the table of rows, and what it shows then.
USE = """<script>
addEventListener("load", () => {
  const at = (id) => document.getElementById(id);
  const set = (id, value) => {
    at(id).value = value;
    at(id).dispatchEvent(new Event("change"));
    return at("row-count").textContent;
  };
  const told = { all: at("row-count").textContent, lines: at("row-body").children.length };
  at("row-more").click();
  told.after = at("row-body").children.length;
  for (const filter of ["scores", "outputs", "fails", "errors"]) told[filter] = set("row-filter", filter);
  told.heads = at("row-head").querySelectorAll("th").length;
  told.one = set("row-case", "1");
  told.columns = [...at("row-head").querySelectorAll("th")].map((node) => node.textContent);
  set("row-filter", "all");
  const button = at("row-body").querySelectorAll("button")[1];
  button.click();
  told.opened = button.getAttribute("aria-expanded");
  const words = (name) => [...at("row-body").querySelectorAll(`.opened ${name}`)].map((node) => node.textContent);
  Object.assign(told, { ins: words("ins"), del: words("del"), terms: words("dt"), texts: words("dd") });
  button.click();
  told.closed = at("row-body").querySelectorAll(".opened").length;
  set("row-metric", "1");
  told.canFail = !at("row-filter").querySelector("[value=fails]").disabled;
  at("row-words").value = "NUMBER 77 ";
  at("row-words").dispatchEvent(new Event("input"));
  setTimeout(() => { told.search = at("row-count").textContent; document.title = JSON.stringify(told); }, 400);
});
</script>"""


@pytest.fixture(scope="module")
def report():
    made = Spearmint(
        configs=[{"llm": {"k": DynamicValue([1, 2, 3])}, "mode": DynamicValue(["plain", HOSTILE]), "on": True}]
    )

    @made.experiment
    def answer(question: str, number: int, config: Config) -> str:
        if number == 3 and config.llm.k == 3:
            raise ValueError(HOSTILE)
        return f"{question} {HOSTILE if number % config.llm.k else 'right'}"

    def right(outputs):
        return outputs.endswith("right")

    def length(outputs, inputs):
        return len(outputs) / (1 + inputs["number"])

    rows = [{"question": f"{HOSTILE} {number}?", "number": number, "expected": HOSTILE} for number in range(40)]
    return made.evaluate(answer, rows, scorers=[right, length])


class Balanced(HTMLParser):
    """Checks that elements are closed in order, and collects what a page holds."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.words = []
        self.attributes = []
        self.tags = []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def parsed(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    return parser


def test_page_is_whole_and_lets_no_data_become_markup(report, tmp_path):
    path = report.save(tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    parser = parsed(page)
    assert parser.tags.count("script") == 3  # the rows and their outputs as data, and what shows them
    assert HOSTILE not in page
    words = " ".join(parser.words)
    for heading in (
        "Which parameter matters",
        "Scores",
        "Score against latency",
        "Latency",
        "Parameters",
        "All numbers",
        "Rows on which configs disagree",
        "Rows and configs",
        "Errors",
    ):
        assert heading in words
    assert HOSTILE in words
    for case in report.cases:
        assert case.case_id[:8] in words


def test_page_loads_nothing(report):
    page = report.to_html()
    assert not re.search(r"https?://|url\(|@import|<link|<iframe|<img", page)
    assert {name for name, _ in parsed(page).attributes}.isdisjoint({"src", "href", "srcset", "data"})


def test_page_tables_have_captions_and_plots_labels(report):
    page = report.to_html()
    parser = parsed(page)
    assert parser.tags.count("table") == parser.tags.count("caption") > 2
    groups = re.findall(r'<div class="chart" role="group" aria-label="([^"]+)"', page)
    assert len(groups) == 7
    assert page.count('<svg class="parallel" role="img" aria-label="') == 1
    assert '<html lang="en">' in page


def test_page_shows_rows_on_which_configs_disagree(report):
    page = report.to_html()
    first = page[page.index("Rows on which") :]
    assert re.search(r"<summary>Row \d+: <code>", first)
    assert page.count("<details") == 10
    assert page.count("<details open>") == 1


def test_page_of_failures_alone_is_whole():
    def answer(x, config):
        raise ValueError("no")

    report = Spearmint().evaluate(answer, [{"x": 1}], scorers=[subjects.exact], configs=[{"k": 1}])
    parser = parsed(report.to_html())
    assert "Rows on which configs disagree" not in " ".join(parser.words)
    assert "ValueError: no" in " ".join(parser.words)


def test_page_of_many_configs_is_bounded():
    report = Spearmint().evaluate(
        subjects.plain_times,
        [{"x": 1, "expected": 3}],
        scorers={"value": lambda outputs: outputs},
        configs=[{"factor": factor} for factor in range(600)],
    )
    page = report.to_html()
    parsed(page)
    assert "500 more configs with lower means are not drawn" in page
    assert "100 more configs are in the .csv report" in page
    first = page[page.index("value: mean") :]
    assert re.findall(r'<span class="label">(?:◆ )?([^<]+)</span>', first)[:3] == [
        "factor=0",
        "factor=599",
        "factor=598",
    ]
    assert "87 more</summary>" in first


def test_page_lets_only_what_has_its_nonce_run(report):
    page = report.to_html()
    nonce = re.search(r"script-src 'nonce-([\w-]{20,})'", page)[1]
    assert "default-src 'none'" in page
    assert f'<style nonce="{nonce}">' in page
    assert page.count("<script") == page.count(f'nonce="{nonce}">') - 1 == 3
    assert nonce not in report.to_html()
    assert not re.search(r"<[^>]+ style=", page)


def test_page_has_effects_before_scores_with_the_clearest_first(report):
    effects, scores, _ = report.to_html().partition("<h2>Scores")
    assert scores
    assert re.findall(r"<h4>([^<]+)</h4>", effects) == ["llm.k", "mode"] * 2


def test_page_labels_leave_out_what_all_configs_share(report):
    labels = re.findall(r'<span class="label">(?:◆ )?([^<]+)</span>', report.to_html())
    assert "k=1 · mode=plain" in labels
    assert not any("on=" in label for label in labels)


def test_page_masks_secrets_in_rows_outputs_and_errors():
    def answer(url, config):
        if config["api_key"].startswith("other"):
            raise ValueError("postgres://user:hunter22@db/x")
        return f"token=abcdef{len(url)}123456 at {url}"

    rows = [{"url": "https://me:hunter22@example.org", "expected": {"password": "hunter22"}}] * 3
    configs = [{"api_key": "one-secret-key"}, {"api_key": "other-secret-key"}]
    report = Spearmint().evaluate(answer, rows, scorers={"n": len_of}, configs=configs, progress=False)
    for text in (report.to_html(), report._repr_html_(), str(report)):
        assert "hunter22" not in text
        assert "secret-key" not in text
        assert "abcdef" not in text


@pytest.mark.slow
def test_page_of_huge_values_is_small():
    configs = [{"text": letter * 1_000_000} for letter in "ab"]
    report = Spearmint().evaluate(
        lambda x, config: x + config["text"], [{"x": "y" * 1_000_000}] * 12, scorers={"n": len_of}, configs=configs
    )
    assert len(report.to_html()) < 200_000
    assert len(report._repr_html_()) < 50_000


def len_of(outputs):
    return len(outputs)


def test_notebook_shows_charts_and_the_best_not_columns(report):
    markup = report._repr_html_()
    parsed(markup)
    assert "<table" not in markup
    assert "Highest" in markup
    assert 'aria-label="right: mean and 95 % interval"' in markup
    assert HOSTILE not in markup


def test_notebook_names_the_lowest_where_less_is_better():
    def cost(outputs):
        return outputs

    configs = [{"price": 3}, {"price": 2}]
    found = Spearmint().evaluate(lambda x, config: x * config["price"], [{"x": 1}], scorers=[cost], configs=configs)
    assert "<li>Lowest <b>cost</b>: <b>price=2</b>" in found._repr_html_()


def ask_browser(page, tmp_path, *options, probe=PROBE):
    asking = tmp_path / "asking.html"
    nonce = re.search(r"nonce-([\w-]+)", page)[1]
    probe = probe.replace("<script>", f'<script nonce="{nonce}">')
    asking.write_text(page.replace("</head>", f"{probe}</head>", 1), encoding="utf-8")
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
    command = [CHROMIUM, *quiet, *options, "--dump-dom", asking.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    title = re.search(r"<title>(\{.*?\})</title>", done.stdout, re.DOTALL)
    assert title, done.stderr
    return json.loads(title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_browser_filters_rows_and_compares_outputs_with_main(tmp_path):
    def answer(question, number, config):
        if number % 50 == config.get("fails", -1):
            raise ValueError(number)
        return f"The answer to {number} is {'right' if number % 10 < config['right'] else 'wrong'}, as known."

    def right(outputs):
        return "right" in outputs

    def length(outputs):
        return len(outputs)

    rows = [{"question": f"What is number {number} <b>?", "number": number} for number in range(120)]
    configs = [{"right": 1}, {"right": 3}, {"right": 10, "fails": 7}]
    report = Spearmint().evaluate(answer, rows, scorers=[right, length], configs=configs, progress=False)
    told = ask_browser(report.to_html(), tmp_path, "--virtual-time-budget=5000", probe=USE)
    assert (told["all"], told["lines"], told["after"]) == ("120 of 120 rows", 50, 100)
    assert told["scores"] == told["outputs"] == "105 of 120 rows"
    assert told["fails"] == "108 of 120 rows"
    assert told["errors"] == "3 of 120 rows"
    assert told["heads"] == 4
    assert told["one"] == "3 of 120 rows"  # main and the best config, which fails
    assert told["columns"][1].startswith("◆ right=1")
    assert len(told["columns"]) == 3
    assert told["opened"] == "true"
    assert (told["ins"], told["del"]) == (["right"], ["wrong"])
    assert told["terms"][:2] == ["question", "number"]
    assert told["texts"][:2] == ["What is number 1 <b>?", "1"]
    assert told["closed"] == 0
    assert not told["canFail"]
    assert told["search"] == "1 of 120 rows"


# What a reader does to mark outputs, and what the page saves then.
MARK = """<script>
addEventListener("load", () => {
  const at = (id) => document.getElementById(id);
  localStorage.clear();
  const told = { before: at("row-save").textContent, disabled: at("row-save").disabled };
  const open = () => at("row-body").querySelector("button").click();
  open();
  const buttons = [...at("row-body").querySelectorAll(".marks button")];
  told.buttons = buttons.map((node) => node.getAttribute("aria-label"));
  buttons[0].click();
  buttons[3].click();
  buttons[2].click();
  buttons[2].click();
  const note = at("row-body").querySelectorAll(".marks input")[1];
  note.value = " odd <b> ";
  note.dispatchEvent(new Event("change"));
  told.pressed = buttons.map((node) => node.getAttribute("aria-pressed"));
  told.after = at("row-save").textContent;
  const filter = (value) => {
    at("row-filter").value = value;
    at("row-filter").dispatchEvent(new Event("change"));
    return at("row-count").textContent;
  };
  told.marked = filter("marked");
  told.unmarked = filter("unmarked");
  told.kept = localStorage.length;
  URL.createObjectURL = (blob) => { blob.text().then((text) => { told.saved = text; }); return "#"; };
  HTMLAnchorElement.prototype.click = () => {};
  at("row-save").click();
  setTimeout(() => {
    memory.clear();
    localStorage.clear();
    told.taken = takeMarks(table.rows, told.saved);
    told.again = linesOf(table.rows).join("\\n") + "\\n" === told.saved;
    document.title = JSON.stringify(told);
  }, 1000);
});
</script>"""


SAVE_ONE = """<script>
addEventListener("load", () => {
  document.querySelector("#row-body button").click();
  document.querySelector(".marks button").click();
  document.title = JSON.stringify({ lines: linesOf(table.rows).length });
});
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_browser_saves_a_mark_of_equal_rows_once(tmp_path):
    rows, configs = [{"x": 1}, {"x": 1}], [{"k": 1}, {"k": 2}]
    report = Spearmint().evaluate(
        lambda x, config: x + config["k"], rows, scorers={"n": lambda outputs: outputs}, configs=configs, progress=False
    )
    told = ask_browser(report.to_html(), tmp_path, "--virtual-time-budget=5000", probe=SAVE_ONE)
    assert told == {"lines": 1}


# What a reader does who marks one output here, and another of the same row in a second tab, before and after.
TWO_TABS = """<script>
addEventListener("load", () => {
  localStorage.clear();
  document.querySelector("#row-body button").click();
  const buttons = [...document.querySelectorAll("#row-body .marks button")];
  const [row] = table.rows;
  const key = PREFIX + row.digest;
  const elsewhere = (marks) => {
    localStorage.setItem(key, JSON.stringify(marks));
    dispatchEvent(new StorageEvent("storage", { key }));
  };
  const pressed = () => buttons.map((node) => node.getAttribute("aria-pressed") === "true");
  const second = { [outputOf(row, 1)[1]]: { mark: "wrong", note: "no", case: "k=2", text: "3" } };
  elsewhere(second);
  const told = { seen: pressed(), count: document.getElementById("row-save").textContent };
  buttons[0].click();
  told.kept = Object.values(JSON.parse(localStorage.getItem(key))).map((one) => one.mark).sort();
  elsewhere({});
  told.taken = pressed();
  localStorage.setItem(key, JSON.stringify(second)); // and the event has not come yet
  buttons[0].click();
  told.both = pressed();
  document.title = JSON.stringify(told);
});
</script>"""


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_browser_keeps_marks_that_another_tab_made(tmp_path):
    report = Spearmint().evaluate(
        lambda x, config: x + config["k"],
        [{"x": 1}],
        scorers={"n": lambda outputs: outputs},
        configs=[{"k": 1}, {"k": 2}],
        progress=False,
    )
    told = ask_browser(report.to_html(), tmp_path, "--virtual-time-budget=5000", probe=TWO_TABS)
    assert (told["seen"], told["count"]) == ([False, False, False, True], "Save 1 marks")
    assert told["kept"] == ["right", "wrong"]
    assert told["taken"] == [False] * 4
    assert told["both"] == [True, False, False, True]


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_browser_keeps_and_saves_marks_that_are_scores(tmp_path):
    def answer(x, config):
        return f"{x} {config['word']}"

    def right(outputs):
        return "yes" in outputs

    rows, configs = [{"x": 1}, {"x": 2}], [{"word": "yes"}, {"word": "no"}]
    report = Spearmint().evaluate(answer, rows, scorers=[right], configs=configs, progress=False)
    told = ask_browser(report.to_html(), tmp_path, "--virtual-time-budget=5000", probe=MARK)
    assert (told["before"], told["disabled"]) == ("Save marks", True)
    assert told["buttons"] == ["right: word=yes", "wrong: word=yes", "right: word=no", "wrong: word=no"]
    assert told["pressed"] == ["true", "false", "false", "false"]
    assert told["after"] == "Save 2 marks"
    assert (told["marked"], told["unmarked"]) == ("1 of 2 rows", "1 of 2 rows")
    assert told["kept"] == 1
    assert (told["taken"], told["again"]) == (2, True)
    (tmp_path / "marks.jsonl").write_text(told["saved"], encoding="utf-8")
    lines = [json.loads(line) for line in told["saved"].splitlines()]
    assert [(one["mark"], one["note"], one["case"]) for one in lines] == [
        ("right", "", "word=yes"),
        (None, "odd <b>", "word=no"),
    ]
    human = precomputed(tmp_path / "marks.jsonl")
    scored = Spearmint().evaluate(answer, rows, scorers=[human], configs=configs, progress=False)
    found = scored.summary("human")[0].estimate
    assert (found.n, found.value) == (1, 1.0)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
@pytest.mark.parametrize("size", ["1280,900", "390,844"])
def test_browser_draws_plots_inside_their_frames(report, tmp_path, size):
    told = ask_browser(report.to_html(), tmp_path, f"--window-size={size}")
    assert told["outside"] == []
    assert not told["wide"]
    assert told["loaded"] == 0
    assert told["drawn"] > 30
    assert len(told["charts"]) == 8


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_browser_shows_enough_contrast_light_and_dark(report, tmp_path):
    light = ask_browser(report.to_html(), tmp_path)
    dark = ask_browser(report.to_html(), tmp_path, "--blink-settings=preferredColorScheme=0")
    assert light["card"] == "rgb(255, 255, 255)"
    assert dark["card"] != light["card"]
    for told in (light, dark):
        assert told["words"] >= 4.5
        assert told["marks"] >= 3
