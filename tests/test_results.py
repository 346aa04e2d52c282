"""What a call tells of its executions."""

import asyncio
import re
import threading
from typing import Any

import pytest

import spearmint
from spearmint import Config, ExperimentResults, Spearmint
from spearmint.config import generate_config_id
from spearmint.results import Outcome, outcome_of
from spearmint.strategies import MultiBranchStrategy, ShadowStrategy

pytestmark = pytest.mark.usefixtures("account")

CONFIGS = [{"n": 0}, {"n": 1}, {"n": 2}]


@pytest.fixture
def failing():
    """An experiment whose second config fails."""

    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
    def half(x: int, config: Config) -> float:
        return x / (1 - config["n"])

    return half


def test_results_stand_in_the_order_of_the_plan_with_main_first(failing) -> None:
    results = failing(8)
    assert isinstance(results, ExperimentResults)
    assert [one.config["n"] for one in results] == [0, 1, 2]
    assert [one.role for one in results] == ["main", "variant", "variant"]
    assert [one.status for one in results] == ["success", "failed", "success"]
    assert [one.result for one in results] == [8.0, None, -8.0]
    assert len(results) == 3


def test_results_come_in_the_order_of_the_plan() -> None:
    turns = [threading.Event() for _ in range(4)]
    turns[3].set()

    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
    def backwards(config: Config) -> int:
        assert turns[config["n"] + 1].wait(10)
        turns[config["n"]].set()
        return config["n"]

    assert [one.result for one in backwards()] == [0, 1, 2]


def test_result_holds_config_case_status_duration_exception(failing) -> None:
    _, bad, good = failing(8)
    assert good.config == {"n": 2}
    assert good.config_id == spearmint.config.generate_config_id({"n": 2})
    assert good.experiment_case.get_config(failing) == {"n": 2}
    assert 0 <= good.duration < 10
    assert good.exception is None
    assert isinstance(bad.exception, ZeroDivisionError)
    assert repr(bad) == f"<FunctionResult variant {bad.config_id} failed ZeroDivisionError('division by zero')>"
    assert repr(good) == f"<FunctionResult variant {good.config_id} success -8.0>"


def test_the_traceback_of_a_variant_begins_in_its_function(failing) -> None:
    _, bad, _ = failing(8)
    names = []
    trace = bad.exception.__traceback__
    while trace is not None:
        names.append(trace.tb_frame.f_code.co_name)
        trace = trace.tb_next
    assert names == ["half"]


def test_a_reader_of_a_config_cannot_change_it(failing) -> None:
    results = failing(8)
    results.main_result.config["n"] = 99
    assert results.main_result.config == {"n": 0}


FRAME_COLUMNS = ["config_id", "status", "duration", "result", "exception"]


def nested_results() -> Any:
    @Spearmint(configs=[{"k": 1}, {"k": 2}], strategy=MultiBranchStrategy).experiment
    def rank(config: Config) -> int:
        return config["k"]

    @Spearmint(configs=[{"retrieval": {"model": "a"}, "api_key": "s3cret-1"}], strategy=MultiBranchStrategy).experiment
    def answer(config: Config) -> Any:
        return rank()

    return answer()


def test_results_tell_nested_variants_apart_by_case_id() -> None:
    results = nested_results()
    ids = [generate_config_id({"k": 1}), generate_config_id({"k": 2})]
    assert [one.case_id for one in results] == ids
    assert len({one.config_id for one in results}) == 1
    assert repr(results) == f"<ExperimentResults main {ids[0]} success, variant {ids[1]} success>"
    assert repr(results.main_result) == f"<FunctionResult main {ids[0]} success 1>"


def test_data_frame_shows_parameters_of_nested_experiments() -> None:
    pytest.importorskip("pandas")
    frame = nested_results().to_dataframe()
    columns = ["config.retrieval.model", "config.api_key", "config.rank: k"]
    assert list(frame.columns) == ["role", "case_id", *FRAME_COLUMNS, *columns]
    assert list(frame["config.rank: k"]) == [1, 2]
    assert frame["case_id"].is_unique


def test_notebook_table_shows_what_varies_without_secrets() -> None:
    table = nested_results()._repr_html_()
    heads = ["role", "case_id", "rank: k", "status", "duration", "result"]
    assert re.findall(r"<th [^>]*>(.*?)</th>", table) == heads

    @Spearmint(configs=[{"api_key": "s3cret-1"}, {"api_key": "s3cret-2"}], strategy=MultiBranchStrategy).experiment
    def ask(config: Config) -> int:
        return 1

    table = ask()._repr_html_()
    assert "api_key" in table
    assert "s3cret" not in table


def test_notebook_table_shows_no_secret_in_results() -> None:
    configs = [{"api_key": "s3cret-1", "n": n} for n in (0, 1, 2)]

    @Spearmint(configs=configs, strategy=MultiBranchStrategy).experiment
    def ask(config: Config) -> Any:
        if config.n == 0:
            return {"token": "t0ken-77", "echo": "t0ken-77 for s3cret-1"}
        if config.n == 1:
            return "x" * 195 + "password=hunter22"
        raise ValueError(f"{config.api_key} refused by http://ann:pw-5566@host")

    table = ask()._repr_html_()
    assert [one for one in ("s3cret-1", "t0ken-77", "hunter", "pw-5566") if one in table] == []
    assert "refused by http://ann:**********@host" in table


def test_the_data_frame_has_a_row_for_each_execution(failing) -> None:
    pytest.importorskip("pandas")
    results = failing(8)
    frame = results.to_dataframe()
    assert list(frame.columns) == ["role", "case_id", *FRAME_COLUMNS, "config.n"]
    assert list(frame["config.n"]) == [0, 1, 2]
    assert list(frame["role"]) == ["main", "variant", "variant"]
    assert frame["exception"][1] is results.variant_results[0].exception


def test_the_table_of_a_notebook_is_escaped() -> None:
    @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
    def markup(config: Config) -> str:
        if config["n"] == 1:
            message = "<b>"
            raise ValueError(message)
        return "<script>"

    table = markup()._repr_html_()
    assert "<script>" not in table
    assert "&lt;script&gt;" in table
    assert "ValueError(&#x27;&lt;b&gt;&#x27;)" in table
    assert table.count("<tr>") == 4


def test_a_pending_result_settles_later() -> None:
    gate = threading.Event()

    @Spearmint(configs=CONFIGS[:2], strategy=ShadowStrategy).experiment
    def gated(config: Config) -> int:
        assert config["n"] == 0 or gate.wait(10)
        return config["n"]

    with Spearmint.run(gated) as runner:
        results = runner()
    (variant,) = results.variant_results
    assert results.main_result.status == "success"
    assert variant.status == "pending"
    assert repr(variant).endswith("pending None>")
    assert not results.wait(0)
    gate.set()
    assert results.wait(10)
    assert (variant.status, variant.result) == ("success", 1)


def test_the_counts_are_complete_when_the_wait_for_results_ends(account) -> None:
    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def quick(config: Config) -> None:
        pass

    for _ in range(200):
        with Spearmint.run(quick) as runner:
            results = runner()
        assert results.wait(10)
        assert "pending" not in account()
    assert account() == {"submitted": 400, "finished": 400}


def test_variants_can_be_awaited_without_holding_up_the_loop() -> None:
    gate = threading.Event()

    @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
    def gated(config: Config) -> int:
        assert config["n"] == 0 or gate.wait(10)
        return config["n"]

    async def main() -> None:
        async with Spearmint.arun(gated) as runner:
            results = await runner()
        assert not await results.await_variants(0.001)
        asyncio.get_running_loop().call_soon(gate.set)
        assert await results.await_variants(10)
        assert [one.status for one in results] == ["success"] * 3
        assert await results.await_variants()

    asyncio.run(main())


def test_results_without_variants_need_no_wait() -> None:
    @spearmint.experiment(configs=CONFIGS[:1])
    def alone(config: Config) -> int:
        return 7

    with Spearmint.run(alone, await_variants=True) as runner:
        results = runner()
    assert results.wait(0)
    assert asyncio.run(results.await_variants(0))
    assert results.variant_results == []
    assert repr(results) == f"<ExperimentResults main {results.main_result.config_id} success>"


def test_a_cancelled_execution_is_not_a_failed_one() -> None:
    assert outcome_of(asyncio.CancelledError(), 0.1).status == "cancelled"
    assert outcome_of(GeneratorExit(), 0.1).status == "cancelled"
    assert outcome_of(ValueError(), 0.1).status == "failed"
    assert outcome_of(KeyboardInterrupt(), 0.1).status == "failed"


def test_an_outcome_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Outcome("success").status = "failed"
