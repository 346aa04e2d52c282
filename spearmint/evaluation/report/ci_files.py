"""What a pull request shows of gates: a JUnit file, and a summary in Markdown."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree as ET

from spearmint.evaluation.report.compare import ComparedCase, Comparison
from spearmint.evaluation.report.files import write_whole
from spearmint.evaluation.report.gate import GateResult
from spearmint.evaluation.report.labels import readable, short_id
from spearmint.evaluation.report.markdown import cell
from spearmint.render import counted

_SIGNS = {"pass": "✅", "regression": "❌", "inconclusive": "❔"}


def write_junit(path: str | Path, name: str, results: Sequence[GateResult]) -> None:
    """Write a JUnit file: a test for each gate and case, which fails on a regression and is skipped if none can tell.

    Raises:
        EvaluationError: If it cannot be written.
    """
    counts = {kind: sum(one.verdict == kind for one in results) for kind in _SIGNS}
    suite = ET.Element(
        "testsuite",
        name=readable(name),
        tests=str(len(results)),
        failures=str(counts["regression"]),
        skipped=str(counts["inconclusive"]),
    )
    for one in results:
        test = ET.SubElement(suite, "testcase", classname=readable(name), name=f"{one.gate.metric} of {one.case_id}")
        if one.verdict != "pass":
            kind = "failure" if one.verdict == "regression" else "skipped"
            ET.SubElement(test, kind, message=readable(one.reason))
    write_whole(Path(path), ET.tostring(suite, encoding="unicode", xml_declaration=True))


def write_summary(
    path: str | Path, name: str, results: Sequence[GateResult], comparison: Comparison | None = None
) -> None:
    """Write a summary in Markdown: the gates, and after them the means of both runs.

    Raises:
        EvaluationError: If it cannot be written.
    """
    lines = [f"## {cell(name)}", ""]
    if results:
        lines += ["| | metric | case | |", "|---|---|---|---|"]
        for one in results:
            lines.append(
                f"| {_SIGNS[one.verdict]} | {cell(one.gate.metric)} | {cell(one.case_id)} | {cell(one.reason)} |"
            )
        lines.append("")
    if comparison is not None:
        lines += ["| metric | case | before | now | difference | verdict |", "|---|---|---|---|---|---|"]
        for metric, cases in comparison.cases.items():
            lines += [f"| {cell(metric)} | {_compared(case)} |" for case in cases]
        lines += ["", *sentences_of(comparison)]
    write_whole(Path(path), "\n".join(lines) + "\n")


def _compared(case: ComparedCase) -> str:
    found = case.difference
    numbers = f"{case.old:.4g} | {case.new:.4g} | {found.value:+.4g} [{found.low:+.4g}, {found.high:+.4g}]"
    return f"{cell(short_id(case.case_id))} | {numbers} | {found.shortage or found.verdict}"


def sentences_of(comparison: Comparison) -> list[str]:
    """Say which rows and cases the runs have in common, and which not."""
    sentences = [f"{counted(comparison.rows, 'row')} in both runs."]
    if comparison.new_rows or comparison.lost_rows:
        sentences.append(f"New rows: {comparison.new_rows:,}; lost rows: {comparison.lost_rows:,}.")
    for what, ids in (("new", comparison.new_cases), ("lost", comparison.lost_cases)):
        if ids:
            sentences.append(f"Cases that are {what}: {', '.join(map(short_id, ids))}.")
    return sentences
