"""The page in a real browser: nothing is refused by its own policy, and it follows the journal by itself."""

import re
import shutil
import subprocess
import sys

import pytest

from tests.evaluation.online.journal_files import exposure, outcome, write

pytest.importorskip("duckdb")
pytest.importorskip("uvicorn")

CHROMIUM = shutil.which("chromium")
DEADLINE_SECONDS = 90


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here: the served page was not opened in a browser")
@pytest.mark.parametrize("size", ["1280,900", "390,844"])
def test_page_opens_without_a_complaint_of_the_browser(tmp_path, size):
    arms = ("control", "discount")
    records = [exposure(f"u{unit}", arms[unit % 2], unit) for unit in range(400)]
    records += [outcome(f"u{unit}", "purchase", unit % 7, 500 + unit) for unit in range(400)]
    write(tmp_path / "j", records)
    command = [sys.executable, "-m", "spearmint", "ui", str(tmp_path / "j"), "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, bufsize=1) as served:
        try:
            address = served.stdout.readline().strip().replace("/?", "/experiment?name=shop.rank%3Ascore&")
            quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
            waiting = (f"--user-data-dir={tmp_path}/profile", f"--window-size={size}", "--virtual-time-budget=12000")
            told = ("--enable-logging=stderr", "--v=0", "--dump-dom", address)
            done = subprocess.run(
                [CHROMIUM, *quiet, *waiting, *told],
                capture_output=True,
                text=True,
                check=True,
                timeout=DEADLINE_SECONDS,
            )
        finally:
            served.kill()
    assert "The records can bear a verdict." in done.stdout
    assert done.stdout.count('<svg class="lines"') == 2
    assert re.search(r'id="updated">as of ', done.stdout)  # the script ran, and had an answer
    assert "CONSOLE" not in done.stderr
