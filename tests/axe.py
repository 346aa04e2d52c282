"""What axe, the checker of accessibility, finds in a page that a real browser shows."""

import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
LIGHT = ("--window-size=1280,900",)
DARK_PHONE = ("--window-size=390,844", "--blink-settings=preferredColorScheme=0")
DEADLINE_SECONDS = 90
ASK = """
axe.run().then((found) => {
  const faults = found.violations.filter((one) => ["serious", "critical"].includes(one.impact));
  const told = document.createElement("pre");
  told.id = "axe";
  told.textContent = JSON.stringify({
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    passes: found.passes.length,
    faults: faults.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.target}`)),
  });
  document.body.append(told);
});
"""


def serious_faults(page: str, folder: Path, options: tuple[str, ...]) -> list[str]:
    """Return what axe calls serious or critical in the text of a page, each with the element that has it."""
    axe = pytest.importorskip("axe_core_python")
    if CHROMIUM is None:
        pytest.skip("there is no Chromium here: axe has looked at no page")
    script = files(axe).joinpath("axe.min.js").read_text(encoding="utf-8")
    nonce = found[1] if (found := re.search(r"'nonce-([^']+)'", page)) else ""
    before, _, after = page.rpartition("</body>")
    asking = folder / "asking.html"
    asking.write_text(f'{before}<script nonce="{nonce}">{script}{ASK}</script></body>{after}', encoding="utf-8")
    quiet = ("--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking")
    command = [CHROMIUM, *quiet, f"--user-data-dir={folder}/profile", *options, "--virtual-time-budget=10000"]
    done = subprocess.run(
        [*command, "--dump-dom", asking.as_uri()], capture_output=True, text=True, check=True, timeout=DEADLINE_SECONDS
    )
    answer = re.search(r'<pre id="axe">(.*?)</pre>', done.stdout, re.DOTALL)
    assert answer, done.stderr
    told = json.loads(answer[1].replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))
    assert told["dark"] == (options == DARK_PHONE)
    assert told["passes"] > 10
    return told["faults"]
