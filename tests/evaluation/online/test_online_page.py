"""The page of a report: whole, readable by anybody, and safe with any name."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from spearmint import online_report
from tests.evaluation.online.journal_files import write_arms

pytest.importorskip("duckdb")

HOSTILE = "</style><script>alert('x')</script>\"&"


class Elements(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def of(self, tag):
        return [attrs for name, attrs in self.found if name == tag]


@pytest.fixture
def page(tmp_path):
    rng = np.random.default_rng(1)
    values = {"control": rng.normal(0, 1, 400), HOSTILE: rng.normal(0.5, 1, 400)}
    write_arms(tmp_path / "journal", values, name=f"buys{HOSTILE}")
    return online_report(tmp_path / "journal").to_html()


def test_page_takes_names_as_text(page):
    elements = Elements(page)
    assert elements.of("script") == []
    assert len(elements.of("style")) == 1
    assert "alert(&#39;x&#39;)" in page


def test_page_loads_nothing_from_anywhere(page):
    elements = Elements(page)
    (policy,) = [one["content"] for one in elements.of("meta") if one.get("http-equiv")]
    nonce = re.search(r"style-src 'nonce-([\w-]+)'", policy).group(1)
    assert policy.startswith("default-src 'none';")
    assert elements.of("style")[0]["nonce"] == nonce
    assert not any(name in attrs for _, attrs in elements.found for name in ("src", "href", "style", "onclick"))


def test_page_shows_health_arms_and_how_the_interval_narrows(page):
    elements = Elements(page)
    plots = [one["aria-label"] for one in elements.of("svg") if one.get("role") == "img"]
    assert len(plots) == 2
    assert any(text.startswith("Units by arm at the end: control 400") for text in plots)
    assert any("less main's after 800 units: +0." in text for text in plots)
    assert "The records can bear a verdict." in page
    assert page.count("<th scope=") >= 11


def test_paths_of_plots_are_finite_numbers(page):
    paths = [one["d"] for one in Elements(page).of("path")]
    assert len(paths) == 4
    for path in paths:
        assert re.fullmatch(r"M[\d., L-]+Z?", path.replace(" ", ""))
    assert "nan" not in page.lower().replace("nance", "")
