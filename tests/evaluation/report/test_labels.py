from dataclasses import dataclass, field
from typing import Any

import pytest

from spearmint.evaluation.report.labels import labels_of, readable, short_names, text_of, texts_of


@dataclass
class Case:
    case_id: str
    parameters: dict[str, Any] = field(default_factory=dict)


class Broken:
    def __str__(self):
        raise ValueError("no")


def test_short_names_are_the_last_parts_unless_two_are_alike():
    assert short_names(["llm.k", "rank: model", "a.size", "b.size"]) == {
        "llm.k": "k", "rank: model": "model", "a.size": "a.size", "b.size": "b.size",
    }  # fmt: skip


def test_labels_tell_what_varies_and_leave_out_what_is_shared():
    cases = [Case("a" * 16, {"k": 1, "same": 0}), Case("b" * 16, {"k": 2, "same": 0}), Case("c" * 16, {"same": 0})]
    assert labels_of(cases) == ["k=1", "k=2", "k=-"]


def test_labels_of_equal_cases_are_their_ids():
    assert labels_of([Case("a" * 16, {"k": 1}), Case("a" * 16 + "#2", {"k": 1})]) == ["a" * 8, "a" * 8]
    assert labels_of([Case("main", {"k": 1}), Case("main#2", {"k": 1})]) == ["main", "main#2"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.1 + 0.2, "0.3"), ("x" * 50, "x" * 9 + "…"), ("a\0\ud800", r"a\x00\ud800"), (None, "None"), (True, "True")],
)
def test_text_of_is_short_and_readable(value, text):
    assert text_of(value, 10) == text


def test_text_of_a_value_that_cannot_be_told():
    assert text_of(Broken(), 100) == "<Broken whose text cannot be told: ValueError>"


def test_readable_keeps_lines_and_tabs():
    assert readable("a\tb\r\nc é ✓") == "a\tb\r\nc é ✓"


def test_texts_of_values_that_begin_alike_show_where_they_differ():
    begin = "Answer the question with the help of these passages."
    texts = texts_of([f"{begin} Be brief.", f"{begin}\nQuote the passage.", begin, 3], 40)
    assert texts == ["…ssages. Be brief.", "…ssages. Quote the passage.", "…assages.", "3"]
    assert len(set(texts)) == 4
    assert texts_of(["x" * 50, "y"], 10) == ["xxxxxxxxx…", "y"]
