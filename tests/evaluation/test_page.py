"""The HTML report: what it holds, and how a browser shows it."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import pytest

from spearmint import Config, DynamicValue, Spearmint
from tests.evaluation import subjects

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VOID = {"meta"}
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
  const words = [...document.querySelectorAll("p, th, td, summary")].map((node) => contrast(text(node).color, card));
  document.title = JSON.stringify({
    outside, card,
    wide: document.documentElement.scrollWidth > innerWidth,
    loaded: performance.getEntriesByType("resource").length,
    charts: [...document.querySelectorAll("svg")].map((node) => node.getAttribute("aria-label")),
    drawn: document.querySelectorAll("svg .mark").length,
    words: Math.min(...words), marks: Math.min(...marks),
  });
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


def test_the_page_is_whole_names_everything_and_lets_no_data_become_markup(report, tmp_path):
    path = report.save(tmp_path / "report.html")
    page = path.read_text(encoding="utf-8")
    parser = parsed(page)
    assert "script" not in parser.tags
    assert HOSTILE not in page
    words = " ".join(parser.words)
    for heading in ("Scores", "All numbers", "Latency", "Parameters", "Rows on which configs disagree", "Errors"):
        assert heading in words
    assert HOSTILE in words
    for case in report.cases:
        assert case.case_id[:8] in words


def test_the_page_asks_for_nothing_from_elsewhere(report):
    page = report.to_html()
    assert not re.search(r"https?://|url\(|@import|<link|<iframe|<img", page)
    assert {name for name, _ in parsed(page).attributes}.isdisjoint({"src", "href", "srcset", "data"})


def test_every_table_has_a_caption_and_every_plot_a_label(report):
    page = report.to_html()
    parser = parsed(page)
    assert parser.tags.count("table") == parser.tags.count("caption") > 2
    assert page.count("<svg ") == page.count('<svg role="img" aria-label="') == 4
    assert '<html lang="en">' in page


def test_rows_on_which_configs_disagree_come_first_and_show_inputs_scores_and_outputs(report):
    page = report.to_html()
    first = page[page.index("Rows on which") :]
    assert re.search(r"<summary>Row \d+: <code>", first)
    assert page.count("<details") == 10
    assert page.count("<details open>") == 1


def test_a_report_of_one_config_or_of_failures_only_is_a_page_too():
    def answer(x, config):
        raise ValueError("no")

    report = Spearmint().evaluate(answer, [{"x": 1}], scorers=[subjects.exact], configs=[{"k": 1}])
    parser = parsed(report.to_html())
    assert "Rows on which configs disagree" not in " ".join(parser.words)
    assert "ValueError: no" in " ".join(parser.words)


def test_of_very_many_configs_the_plots_show_main_and_the_ends():
    report = Spearmint().evaluate(
        subjects.plain_times,
        [{"x": 1, "expected": 3}],
        scorers={"value": lambda outputs: outputs},
        configs=[{"factor": factor} for factor in range(200)],
    )
    page = report.to_html()
    parsed(page)
    assert "140 more configs" in page
    assert page.count('<tr><th scope="row"') >= 199


def ask_browser(page, tmp_path, *options):
    asking = tmp_path / "asking.html"
    asking.write_text(page.replace("</head>", f"{PROBE}</head>"), encoding="utf-8")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", *options, "--dump-dom", asking.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    title = re.search(r"<title>(\{.*?\})</title>", done.stdout, re.DOTALL)
    assert title, done.stderr
    return json.loads(title[1].replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">"))


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
@pytest.mark.parametrize("size", ["1280,900", "500,900"])
def test_a_browser_shows_every_plot_and_nothing_beyond_its_frame(report, tmp_path, size):
    told = ask_browser(report.to_html(), tmp_path, f"--window-size={size}")
    assert told["outside"] == []
    assert not told["wide"]
    assert told["loaded"] == 0
    assert told["drawn"] == 12
    assert len(told["charts"]) == 4


@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_text_and_marks_stand_out_in_the_light_and_in_the_dark(report, tmp_path):
    light = ask_browser(report.to_html(), tmp_path)
    dark = ask_browser(report.to_html(), tmp_path, "--blink-settings=preferredColorScheme=0")
    assert light["card"] == "rgb(255, 255, 255)"
    assert dark["card"] != light["card"]
    for told in (light, dark):
        assert told["words"] >= 4.5
        assert told["marks"] >= 3
