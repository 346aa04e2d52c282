import csv
import io
import subprocess
import sys

import pytest

from spearmint import Spearmint
from spearmint.errors import EvaluationError
from spearmint.evaluation.report.files import csv_of, write_whole

FORMULAS = ["=1+1", "+cmd()", "-2", "@SUM(A1)", "\tx", "\rx", "\nx"]


def test_write_whole_replaces_a_file_and_leaves_nothing_beside(tmp_path):
    path = tmp_path / "new" / "report.html"
    write_whole(path, "one")
    path.chmod(0o640)
    write_whole(path, "two")
    assert path.read_text() == "two"
    assert path.stat().st_mode & 0o777 == 0o640
    assert list(path.parent.iterdir()) == [path]


def test_write_whole_follows_a_link(tmp_path):
    (tmp_path / "link.csv").symlink_to(tmp_path / "real.csv")
    write_whole(tmp_path / "link.csv", "x")
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_text() == "x"


@pytest.mark.slow
def test_write_whole_keeps_the_old_file_where_the_disk_is_full(tmp_path):
    path = tmp_path / "report.csv"
    path.write_text("old")
    program = f"""
import resource, signal
from pathlib import Path
from spearmint.evaluation.report.files import write_whole
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
write_whole(Path({str(path)!r}), "x" * 1_000_000)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert f"EvaluationError: Cannot save the report to {str(path)!r}: File too large. Make room" in done.stderr
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_whole_names_the_place_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(EvaluationError, match=r"Cannot save the report to '.*/file/report.csv': File exists"):
        write_whole(tmp_path / "file" / "report.csv", "x")


@pytest.mark.parametrize("text", FORMULAS)
def test_csv_has_no_formulas(text):
    (head,), (cell,) = csv.reader(io.StringIO(csv_of([{text: text}]), newline=""))
    assert head == cell == "'" + text.replace("\r", "\n")


def test_csv_leaves_numbers_and_harmless_texts_alone():
    rows = [{"a": -1.5, "b": True, "c": None, "d": "x=1", "e": [1, 2]}]
    assert list(csv.reader(csv_of(rows).splitlines())) == [list("abcde"), ["-1.5", "True", "", "x=1", "[1, 2]"]]


@pytest.mark.parametrize("form", ["html", "csv"])
def test_save_takes_any_text(tmp_path, form):
    odd = "lone \ud800 and \0 and =cmd()"
    configs = [{"text": odd, "k": 1}, {"text": "x" * 1_000_000, "k": 2}]
    report = Spearmint().evaluate(
        lambda x, config: config["text"] + x,
        [{"x": odd}] * 3,
        scorers={odd: len_of},
        configs=configs,
        progress=False,
    )
    path = report.save(tmp_path / f"report.{form}")
    text = path.read_text(encoding="utf-8")
    assert len(text) < 200_000
    assert r"lone \ud800 and \x00 and =cmd()" in text
    assert "\0" not in text
    str(report).encode()


def len_of(outputs):
    return len(outputs)
