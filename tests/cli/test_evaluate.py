"""``spearmint evaluate``: what it prints and writes, and what its exit status says."""

import json
import signal
import subprocess
import sys
import time

import pytest

MODULE = """
from spearmint import Config, experiment

@experiment(configs=[{"skill": 0.5}, {"skill": 0.9}])
def answer(x: int, config: Config) -> bool:
    return (x * 7919 % 100) < config.skill * 100

def plain(x, config):
    return (x * 7919 % 100) < config["skill"] * 100

@experiment(configs=[{"skill": 0.9, "broken": False}, {"skill": 0.9, "broken": True}])
def fragile(x: int, config: Config) -> bool:
    if config.broken and x == 5:
        raise ValueError("five")
    return True

def right(outputs):
    return outputs

def effort(config):
    return 1 - config["skill"]

def spread(inputs, config):
    return config["skill"] + inputs["x"] % 7 / 100
"""


@pytest.fixture
def project(write, folder, monkeypatch):
    write(shop___py=MODULE)
    write(rows___jsonl="".join(json.dumps({"x": x}) + "\n" for x in range(200)))
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    yield folder
    sys.modules.pop("shop", None)


def run(invoke, *options, target="shop:answer", data="rows.jsonl", scorer="shop:right"):
    return invoke("evaluate", target, "--data", data, "--scorer", scorer, *options)


@pytest.mark.usefixtures("project")
def test_the_table_is_printed_and_without_a_gate_the_status_is_0(invoke):
    result = run(invoke)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0].strip() == "shop:answer: 2 cases on 200 rows of rows.jsonl"
    assert any("0.500" in line for line in lines)
    assert any("0.900" in line and "higher" in line for line in lines)


def test_configs_come_from_files_and_a_plain_function_will_do(invoke, write, project):
    write(configs__a___yaml="skill: !sweep [0.2, 0.4]")
    result = run(invoke, "--configs", "configs/", "--report", "out/report.csv", "--quiet", target="shop:plain")
    assert result.exit_code == 0, result.output
    assert result.stdout == ""
    assert "Report: out/report.csv" in result.stderr
    assert len((project / "out" / "report.csv").read_text(encoding="utf-8").splitlines()) == 3


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("skills", "gate", "decided"),
    [
        ((0.5, 0.9), "right=-0.02", (0, "PASS")),
        ((0.5, 0.9), "right=0.1", (0, "PASS")),
        ((0.9, 0.5), "right=-0.02", (1, "REGRESSION")),
        ((0.5, 0.9), "right=0.6", (1, "REGRESSION")),
        ((0.50, 0.51), "right=0", (2, "INCONCLUSIVE")),
        ((0.50, 0.49), "right=-0.001", (2, "INCONCLUSIVE")),
    ],
)
def test_the_status_is_decided_on_the_bound_of_the_interval(invoke, write, skills, gate, decided):
    write(c___jsonl="".join(json.dumps({"skill": skill}) + "\n" for skill in skills))
    result = run(invoke, "--configs", "c.jsonl", "--gate", gate, "--quiet", target="shop:plain")
    assert "95% interval" in result.stdout
    assert (result.exit_code, result.stdout.partition(" right of ")[0]) == decided


@pytest.mark.usefixtures("project")
def test_of_a_metric_that_is_better_when_lower_a_fall_passes(invoke, write):
    write(c___jsonl='{"skill": 0.5}\n{"skill": 0.9}\n')
    options = ("--configs", "c.jsonl", "--gate", "effort=0.1", "--quiet")
    assert run(invoke, *options, target="shop:plain", scorer="shop:effort").exit_code == 1
    assert run(invoke, *options, "--lower", "effort", target="shop:plain", scorer="shop:effort").exit_code == 0
    latency = ("--configs", "c.jsonl", "--gate", "latency=-10", "--quiet")
    assert run(invoke, *latency, target="shop:plain").exit_code == 0


@pytest.mark.usefixtures("project")
def test_mistyped_lower_metric_is_refused_after_the_report(invoke, write, tmp_path):
    write(c___jsonl='{"skill": 0.5}\n{"skill": 0.9}\n')
    page = tmp_path / "report.csv"
    options = ("--configs", "c.jsonl", "--gate", "effort=1", "--report", str(page), "--quiet")
    result = run(invoke, *options, "--lower", "efort", target="shop:plain", scorer="shop:effort")
    assert result.exit_code == 3
    assert "Cannot tell metric 'efort': there are effort, latency. Did you mean 'effort'?" in result.stderr
    assert page.exists()


@pytest.mark.usefixtures("project")
def test_several_gates_are_all_held_and_the_worst_counts(invoke):
    result = run(invoke, "--gate", "right=-0.02", "--gate", "spread=0.5", "--scorer", "shop:spread", "--quiet")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["PASS", "REGRESSION"]
    assert result.exit_code == 1


@pytest.mark.usefixtures("project")
def test_too_few_rows_cannot_tell(invoke, write):
    write(few___jsonl="".join(json.dumps({"x": x}) + "\n" for x in range(10)))
    result = run(invoke, "--gate", "right=-1", "--quiet", data="few.jsonl")
    assert result.exit_code == 2
    assert "10 rows, at least 20 are needed" in result.stdout


@pytest.mark.usefixtures("project")
def test_a_config_that_fails_where_main_does_not_never_passes(invoke):
    result = run(invoke, "--gate", "right=-0.5", "--quiet", target="shop:fragile")
    assert "1 row failed that main did" in result.stdout
    assert result.exit_code == 2


@pytest.mark.slow
@pytest.mark.usefixtures("project")
def test_results_are_resumed_and_processes_do_the_work(invoke, folder):
    first = run(invoke, "--resume", "run.jsonl", "--processes", "1", "--quiet")
    assert first.exit_code == 0, first.output
    size = (folder / "run.jsonl").stat().st_size
    assert run(invoke, "--resume", "run.jsonl", "--quiet").exit_code == 0
    assert (folder / "run.jsonl").stat().st_size == size


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--gate", "right"), "Cannot read the gate 'right': it is no metric and number. Write METRIC=MARGIN"),
        (("--gate", "right=much"), "Cannot read the gate 'right=much'"),
        (("--gate", "rihgt=0"), "Cannot tell metric 'rihgt': there are right, latency. Did you mean 'right'?"),
        (("--report", "report.pdf"), "'report.pdf' ends otherwise; give .html, .csv or .json."),
        (("--repeats", "0"), "0 is not in the range x>=1"),
        (("--configs", "missing.yaml"), "missing.yaml"),
        (("--nonsense",), "No such option '--nonsense'"),
        (("--processes", "2", "--dask", "tcp://x:1"), "Give --processes or --dask, not both"),
        (("--scorer", "shop:righ"), "Cannot find --scorer 'shop:righ': module 'shop' has no attribute 'righ'"),
        (("--scorer", "shop.right"), "it is not written 'module:name'. Write it so. Did you mean 'shop:right'?"),
        (("--config", "none.yaml"), "none.yaml"),
    ],
)
def test_usage_error_has_a_status_that_is_no_verdict(invoke, options, message):
    result = run(invoke, *options)
    assert message in result.stderr
    assert result.exit_code == 3


@pytest.mark.usefixtures("project")
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"target": "shap:answer"}, "Cannot find TARGET 'shap:answer': No module named 'shap'"),
        ({"data": "none.jsonl"}, "there is no such file"),
        ({"target": "shop:MODULE"}, "has no attribute 'MODULE'"),
    ],
)
def test_missing_arguments_end_with_status_3(invoke, changes, message):
    result = run(invoke, **changes)
    assert message in result.stderr
    assert result.exit_code == 3


@pytest.mark.usefixtures("project")
def test_a_single_config_leaves_nothing_to_gate(invoke, write):
    write(c___jsonl='{"skill": 0.5}\n')
    result = run(invoke, "--configs", "c.jsonl", "--gate", "right=0", target="shop:plain")
    assert "main is the only config. Give others beside it." in result.stderr
    assert result.exit_code == 3


@pytest.mark.slow
def test_module_that_raises_has_a_traceback_and_status_3(project, start, write):
    write(bad___py="1 / 0")
    done = start("-m", "spearmint", "evaluate", "bad:f", "--data", "rows.jsonl", "--scorer", "shop:right")
    assert "ZeroDivisionError" in done.stderr
    assert done.returncode == 3


@pytest.mark.slow
def test_the_command_finds_modules_of_the_working_directory(project, start):
    done = start(
        "-m",
        "spearmint",
        "evaluate",
        "shop:answer",
        "--data",
        "rows.jsonl",
        "--scorer",
        "shop:right",
        "--gate",
        "right=0",
    )
    assert done.returncode == 0, done.stderr
    assert "PASS right" in done.stdout
    assert done.stderr == ""


# Interrupts, failures, conveniences

HANGING = """
import asyncio, pathlib, time
from spearmint import Config, experiment

def begin():
    pathlib.Path("begun").touch()

@experiment(configs=[{"k": 1}, {"k": 2}])
def sleeps(x: int, config: Config):
    if x == 3:
        begin()
        time.sleep(300)
    return True

@experiment(configs=[{"k": 1}, {"k": 2}])
async def waits(x: int, config: Config):
    if x == 3:
        begin()
        await asyncio.sleep(300)
    return True

@experiment(configs=[{"k": 1}, {"k": 2}])
def works(x: int, config: Config):
    return True

def right(outputs):
    return outputs

def hangs(inputs, outputs):
    if inputs["x"] == 3:
        begin()
        time.sleep(300)
    return outputs

def fails(outputs):
    raise ValueError("no")
"""


@pytest.fixture
def hanging(write, folder, monkeypatch):
    write(hanging___py=HANGING)
    write(rows___jsonl="".join(json.dumps({"x": x}) + "\n" for x in range(20)))
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    yield folder
    sys.modules.pop("hanging", None)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("target", "scorer", "more"),
    [
        ("sleeps", "right", ()),
        ("waits", "right", ()),
        ("works", "hangs", ()),
        ("sleeps", "right", ("--processes", "1")),
    ],
    ids=["thread", "coroutine", "scorer", "process"],
)
def test_interrupt_ends_with_130_and_the_command_to_go_on(hanging, target, scorer, more):
    options = ["evaluate", f"hanging:{target}", "--data", "rows.jsonl", "--scorer", f"hanging:{scorer}", *more]
    command = [sys.executable, "-m", "spearmint", *options, "--resume", "run.jsonl"]
    with subprocess.Popen(command, cwd=hanging, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 60
        while not (hanging / "begun").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        sent = time.monotonic()
        _, told = process.communicate(timeout=60)
    assert time.monotonic() - sent < 10  # 2 s on a machine that does nothing else
    assert process.returncode == 130
    *_, advice, resume = told.splitlines()
    assert advice == "Interrupted. Its results are in 'run.jsonl'. To go on:"
    assert resume.endswith(f"spearmint {' '.join(options)} --resume run.jsonl")
    assert "Traceback" not in told


@pytest.mark.slow
@pytest.mark.usefixtures("hanging")
def test_timeout_bounds_a_row_and_a_scorer(invoke):
    for target, scorer in (("sleeps", "right"), ("waits", "right"), ("works", "hangs")):
        result = run(invoke, "--timeout", "0.2", target=f"hanging:{target}", scorer=f"hanging:{scorer}")
        assert result.exit_code == 0, result.output
        assert "took longer than 0.2 s" in result.stdout


@pytest.mark.usefixtures("hanging")
def test_run_in_which_every_score_failed_has_status_3(invoke):
    for gate in ((), ("--gate", "fails=0")):
        result = run(invoke, *gate, target="hanging:works", scorer="hanging:fails")
        assert result.exit_code == 3
        assert "every cell or every score failed, such as 'scorer fails: ValueError: no'" in result.stderr


@pytest.mark.usefixtures("project")
def test_close_names_are_suggested(invoke):
    result = invoke("evalute", "shop:answer")
    assert "No such command 'evalute'. Did you mean 'evaluate'?" in result.stderr
    assert "Did you mean 'right'?" in run(invoke, scorer="shop:rigt").stderr


@pytest.mark.usefixtures("project")
def test_config_that_does_not_bind_is_named_by_its_file(invoke, write):
    write(configs__good___yaml="skill: 0.5", configs__bad___yaml="skil: 0.5")
    write(
        bound___py="""
        from typing import Annotated
        from spearmint import Bind

        def f(x, skill: Annotated[float, Bind("skill")]):
            return x
        """
    )
    result = run(invoke, "--configs", "configs/", target="bound:f")
    sys.modules.pop("bound", None)
    assert result.exit_code == 3
    assert "Error: configs/bad.yaml:1:1: Cannot bind parameter 'skill' of bound:f" in result.stderr


@pytest.mark.usefixtures("project")
def test_stale_results_are_refused_on_demand(invoke, write):
    assert run(invoke, "--resume", "run.jsonl", "--quiet").exit_code == 0
    sys.modules.pop("shop")
    write(shop___py=MODULE.replace("7919", "104729"))
    result = run(invoke, "--resume", "run.jsonl", "--quiet", "--stale", "error")
    assert result.exit_code == 3
    assert "400 stored cells are stale: the code of shop:answer has changed" in result.stderr
    assert run(invoke, "--resume", "run.jsonl", "--quiet").exit_code == 0


@pytest.mark.usefixtures("project")
def test_vary_of_what_is_not_reached_is_refused(invoke):
    result = run(invoke, "--vary", "shop:anser")
    assert result.exit_code == 3
    assert "Cannot vary 'shop:anser': shop:answer reaches no such experiment" in result.stderr
    assert "Did you mean 'shop:answer'?" in result.stderr
