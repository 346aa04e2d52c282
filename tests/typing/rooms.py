"""What a type checker must make of installing, tracing, evaluating and plans. Nothing here is called."""

from collections.abc import Mapping
from typing import Any, assert_type

import spearmint
from spearmint import INJECTED, Config, RuntimeContext, Spearmint, TracingStats, install, uninstall
from spearmint.cases.plan import Plan
from spearmint.context import propagate
from spearmint.discovery import calls_in_code, calls_in_source
from spearmint.discovery.call_table import CallTable
from spearmint.evaluation.report.report import Report
from spearmint.evaluation.report.summary import Summary
from spearmint.instrument.install import Handle

mint = Spearmint(configs=[{"limit": 3}], tracing={"enabled": True, "sample_rate": 0.5})


@mint.experiment(tracing=False)
def run(text: str, config: Config = INJECTED) -> str:
    return text


def matches(outputs: str, expectations: Mapping[str, Any]) -> bool:
    return bool(outputs == expectations["expected"])


def installing_has_types() -> None:
    with install("spearmint.yaml", packages=["shop"]) as handle:
        assert_type(handle, Handle)
    assert_type(spearmint.install({"packages": ["shop"]}), Handle)
    assert_type(handle.is_installed, bool)
    uninstall()


def tracing_has_types() -> None:
    spearmint.configure(tracing={"enabled": False}, background={"max_workers": 2})
    assert_type(spearmint.tracing_stats(), TracingStats)
    assert_type(spearmint.tracing_stats().written, int)


def evaluating_has_types() -> None:
    report = mint.evaluate(run, "data.jsonl", scorers=[matches], repeats=2)
    assert_type(report, Report)
    assert_type(report.summary("matches"), list[Summary])
    assert_type(report.best("matches").config, Config)


def plans_have_types() -> None:
    with Spearmint.run(run) as runner:
        results = runner("a")
    assert_type(results.plan, Plan)
    assert_type(results.main_result.experiment_case.config, Config)


def contexts_have_types() -> None:
    def work(number: int) -> str:
        return str(number)

    assert_type(propagate(work)(1), str)
    with RuntimeContext(attributes={"user_id": "ann"}) as context:
        assert_type(context, RuntimeContext)


def discovering_has_types() -> None:
    assert_type(calls_in_source("f()", "<text>")["<module>"], CallTable)
    assert_type(calls_in_code(compile("f()", "<text>", "exec"))["<module>"], CallTable)
