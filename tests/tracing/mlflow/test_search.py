"""``spearmint traces``: the table, its filters, what differs, and what cannot be read."""

import asyncio
import contextlib
import json

import mlflow
import pytest
from click.testing import CliRunner

import spearmint
from spearmint import Config, Spearmint, experiment
from spearmint.cli import main
from spearmint.config import parse_configs
from spearmint.statistics.intervals import wilson
from spearmint.strategies import ShadowStrategy

CONFIGS = [{"n": 1}, {"n": 2}]
FIRST, SECOND = (config.config_id for config in parse_configs(CONFIGS))
shadow = Spearmint(configs=CONFIGS, strategy=ShadowStrategy)


@shadow.experiment()
def divide(x, config: Config):
    return x // config.n


@Spearmint(configs=CONFIGS).experiment()
def fail(config):
    raise ValueError("no")


@pytest.fixture
def recorded(traced):
    """Have main and a variant that agree on one call of three, and an experiment that fails."""
    for x in (0, 4, 8):
        divide(x)
    with contextlib.suppress(ValueError):
        fail()
    assert spearmint.flush(30)
    return traced


def invoke(*args):
    return CliRunner().invoke(main, ["traces", *args], prog_name="spearmint")


def as_json(*args):
    return json.loads(invoke(*args, "--format", "json").stdout)


def test_table_has_a_line_per_config_with_errors_and_matches(recorded) -> None:
    head, *lines = [line.split() for line in invoke().stdout.splitlines()]
    assert head[:4] == ["experiment", "case", "parameters", "role"]
    assert head[4:] == ["executions", "errors", "p50", "p95", "equal", "to", "main"]
    assert [line[:6] for line in lines] == [
        [f"{__name__}:divide", FIRST, "n=1", "main", "3", "0.0%"],
        [f"{__name__}:divide", SECOND, "n=2", "variant", "3", "0.0%"],
        [f"{__name__}:fail", FIRST, "n=1", "main", "1", "100.0%"],
    ]
    expected = wilson(1, 3)
    assert " ".join(lines[1][10:]) == f"33.3% [{expected.low:.1%}, {expected.high:.1%}] of 3"
    assert lines[0][10:] == ["-"]


def test_filters_that_nothing_fits_are_named(recorded) -> None:
    told = "No execution that is recorded fits --config-id and --role. Leave something out to see more.\n"
    assert invoke("--config-id", "nosuch", "--role", "main").stdout == told


@pytest.mark.parametrize("is_live", [False, True])
def test_stream_that_its_reader_closes_is_no_error(traced, is_live) -> None:
    @experiment(configs=CONFIGS)
    def count(config: Config):
        yield from range(3)

    @experiment(configs=CONFIGS)
    async def waits(config: Config):
        await asyncio.Event().wait()

    async def cancelled():
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(waits(), 0.01)

    with mlflow.start_span("mine") if is_live else contextlib.nullcontext():
        stream = count()
        next(stream)
        stream.close()
    asyncio.run(cancelled())
    assert spearmint.flush(30)
    mlflow.flush_trace_async_logging()
    lines = as_json()["cases"]
    assert [(line["experiment"].rpartition(".")[2], line["executions"], line["errors"]) for line in lines] == [
        ("count", 1, 0),
        ("waits", 1, 1),
    ]


def test_experiments_and_configs_are_chosen_by_name_and_id(recorded) -> None:
    for name in ("divide", f"{__name__}:divide"):
        assert [line["config_id"] for line in as_json("--experiment", name)["cases"]] == [FIRST, SECOND]
    assert as_json("--experiment", "vide")["cases"] == []
    (line,) = as_json("--config-id", SECOND)["cases"]
    assert (line["executions"], line["errors"], line["compared"]) == (3, 0, 3)


@pytest.fixture
def nested(traced):
    """Have two cases of a nested pair, which share the outer config, on one call."""

    @experiment(configs=[{"k": 3}, {"k": 5, "__config_id__": "it's 5%"}], strategy=ShadowStrategy)
    def rank(x, config: Config):
        return x * config.k

    @experiment(configs=[{"model": "small"}])
    def ask(x, config: Config):
        return rank(x)

    with Spearmint.run(ask, await_variants=True) as runner:
        results = runner(2)
    assert spearmint.flush(30)
    return results


def test_nested_variants_have_lines_of_their_own(nested) -> None:
    main, variant = as_json()["cases"]
    assert (main["role"], variant["role"]) == ("main", "variant")
    assert main["config_id"] == variant["config_id"] == nested.main_result.config_id
    assert [main["case_id"], variant["case_id"]] == [one.case_id for one in nested]
    assert [main["parameters"], variant["parameters"]] == [{"rank: k": 3}, {"rank: k": 5}]
    assert variant["equal"]["rate"] == 0
    (pair,) = as_json("--show-diffs")["diffs"]
    assert (pair["case_id"], pair["main"], pair["variant"]) == (variant["case_id"], "6", "10")
    assert "rank: k=5" in invoke().stdout


def test_config_id_finds_configs_of_nested_experiments(nested) -> None:
    assert [line["parameters"] for line in as_json("--config-id", "it's 5%")["cases"]] == [{"rank: k": 5}]
    assert len(as_json("--config-id", nested.main_result.config_id)["cases"]) == 2
    assert as_json("--config-id", "its 5%")["cases"] == []
    assert as_json("--config-id", "%")["cases"] == []
    assert [line["role"] for line in as_json("--case-id", nested.main_result.case_id)["cases"]] == ["main"]


def test_first_different_pairs_are_shown_with_inputs_and_traces(recorded) -> None:
    # Both may have begun within one millisecond, which is as exactly as MLflow knows.
    diffs = as_json("--config-id", SECOND, "--show-diffs")["diffs"]
    first, second = sorted(diffs, key=lambda pair: pair["main"])
    assert (json.loads(first["inputs"])["x"], first["main"], first["variant"]) == (4, "4", "2")
    assert (second["main"], second["variant"]) == ("8", "4")
    assert mlflow.get_trace(first["main_trace"]).info.response_preview == "4"
    text = invoke("--show-diffs").stdout
    assert f"  main     4   {first['main_trace']}" in text
    assert f"  variant  2   {first['variant_trace']}" in text


@pytest.mark.slow
def test_mains_result_is_found_in_a_trace_of_the_users(traced) -> None:
    with mlflow.start_span("request"):
        divide(4)
    assert spearmint.flush(30)
    mlflow.flush_trace_async_logging()
    (pair,) = as_json("--show-diffs")["diffs"]
    assert (pair["main"], pair["variant"]) == ("4", "2")


@pytest.mark.slow
def test_only_what_began_within_a_time_is_read(recorded, monkeypatch) -> None:
    assert len(as_json("--since", "1h")["cases"]) == 3
    now = spearmint.cli.traces.time.time
    monkeypatch.setattr(spearmint.cli.traces.time, "time", lambda: now() + 7200)
    assert as_json("--since", "1h")["cases"] == []


def test_more_executions_than_the_limit_are_reported(recorded) -> None:
    result = invoke("--limit", "2", "--format", "json")
    assert sum(line["executions"] for line in json.loads(result.stdout)["cases"]) == 2
    assert result.stderr == "There are more than 2 executions; --limit reads more, --since fewer.\n"


def test_nothing_recorded_is_said_to_be_so(traced) -> None:
    assert invoke().stdout == "No executions are recorded. Is tracing on, and is this the right --tracking-uri?\n"


@pytest.mark.parametrize(
    ("args", "status", "problem"),
    [
        (("--since", "soon"), 2, "'soon' is no span of time. Give a number and s, m, h, d or w, such as 30m."),
        (("--mlflow-experiment", "x"), 1, "Cannot read MLflow experiment 'x': there is none"),
    ],
)
def test_unreadable_traces_are_reported(traced, args, status, problem) -> None:
    result = invoke(*args)
    assert result.exit_code == status
    assert problem in result.stderr
