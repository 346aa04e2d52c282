"""A week of a service under experiment, in a minute: what is decided at each stage, and by which numbers."""

import argparse
import json
import logging
import math
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import spearmint
from spearmint import Limits, Spearmint
from spearmint.evaluation.online.online_report import OnlineReport

HERE = Path(__file__).parent
spearmint.install(HERE / "spearmint.yaml")

import service  # noqa: E402 - after `install`, as all that is under experiment
from corpus import Document  # noqa: E402
from model_server import serve  # noqa: E402
from users import play_day  # noqa: E402

WEEK = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
VISITS = 500  # a day
NIGHT = 2.0  # seconds, within which stages follow the journal
ROWS = 40  # questions of the evaluation, at least
ARMS = {"service:retrieve": "again", "service:PROMPT": "quote", "service:answer": "chatty"}  # what is on trial
METRIC = "helpful/asked"


def main() -> None:
    """Evaluate offline, play the week, and tell what is decided."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, help="where journal and reports go; by default a new temporary folder")
    folder: Path = parser.parse_args().folder or Path(tempfile.mkdtemp(prefix="rag-week-"))
    journal, reports = folder / "journal", folder / "reports"
    reports.mkdir(parents=True, exist_ok=True)
    logging.getLogger("spearmint").setLevel(logging.CRITICAL)  # It tells of each variant that fails, with a traceback.
    documents = service.index.documents
    with serve(documents) as service.model_address:
        evaluate_offline(documents[:: len(documents) // ROWS], reports)
        spearmint.configure(online={"journal": str(journal)})
        for number, day in enumerate(WEEK):
            play_day(number, VISITS, documents)
            spearmint.flush()
            time.sleep(NIGHT)
            print(f"\n{day}")
            for name, arm in ARMS.items():
                print(f"  {name:<17} {arm:<7} {standing(name, journal)}")
    print("\nDecided")
    for name, arm in ARMS.items():
        print(f"  {name:<17} {arm:<7} {decision(name, journal)}")
    print(f"\nLook at it: spearmint ui {journal} --reports {reports}")


def evaluate_offline(rows: Sequence[Document], reports: Path) -> None:
    """Run all combinations of the steps' configs on some questions, and print what each setting does."""
    report = Spearmint().evaluate(
        service.reply,
        [{"question": row.question, "expected": row.title} for row in rows],
        scorers=[names_the_title],
        usage=lambda answer: answer,
        limits=Limits(concurrency=8),  # What says 429 or 5xx is asked again, after the time that it names.
        progress=False,
    )
    report.save(reports / "offline.html")
    report.save(reports / "offline.json")
    print(f"Offline: {len(report.cases)} combinations on {len(rows)} questions, {report.errors} errors")
    for effect in report.effects("names_the_title"):
        if effect.difference is not None:
            setting = f"{effect.parameter}: {effect.label}"
            print(f"  {setting:<40.40} {effect.difference.value:+.2f}  {effect.verdict}")


def names_the_title(outputs: service.Answer, expectations: Mapping[str, Any]) -> bool:
    """Tell whether an answer names the right passage: a scorer that an answer fools which names them all."""
    return expectations["expected"] in outputs["text"]


def standing(name: str, journal: Path) -> str:
    """Return where an experiment stands this evening: its stage, and what is known of its arm so far."""
    rollout = rollout_of(name, journal)
    if rollout["status"] == "rolled_back":
        return f"rolled back: {rollout['reason'].partition(',')[0]}"
    stage = f"stage {rollout['stage'] + 1} of {len(rollout['stages'])}"
    return f"{stage}, {difference(report_of(name, journal))}" if rollout["units"] else f"{stage}, seen by nobody"


def decision(name: str, journal: Path) -> str:
    """Return what is to be done after the week."""
    if rollout_of(name, journal)["status"] == "rolled_back":
        return "rolled back, stays with the first config"
    report = report_of(name, journal)
    verdict = report.verdict(METRIC)
    done = {"higher": "wins, ship it", "lower": "loses, drop it"}.get(verdict, f"open, {verdict}")
    return f"{done}: {difference(report)}"


def rollout_of(name: str, journal: Path) -> dict[str, Any]:
    """Return what the state of the stages says of an experiment, as `spearmint stage show` does."""
    state = json.loads((journal / "state.json").read_text(encoding="utf-8"))
    found: dict[str, Any] = next(one for one in state["rollouts"] if one["name"] == name)
    return found


def report_of(name: str, journal: Path) -> OnlineReport:
    """Return what users made of an experiment's arms."""
    return spearmint.online_report(journal, name, metrics=[METRIC], horizon=1500)


def difference(report: OnlineReport) -> str:
    """Return by how much more often the arm's answers were helpful, with an interval that holds at every look."""
    main, arm = report.summary(METRIC)
    users, found = main.estimate.n + arm.estimate.n, arm.difference
    if found is None or math.isnan(found.low):
        return f"{users} users are too few to tell"
    return f"{found.value:+.2f} [{found.low:+.2f}, {found.high:+.2f}] among {users} users"


if __name__ == "__main__":
    main()
