"""The first examples that a user sees, in the words of the product's overview, each with what it must give."""

import asyncio
import hashlib
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import pytest
from pydantic import BaseModel

import spearmint
from spearmint import Spearmint
from spearmint.config import Bind, Config, DynamicValue, generate_config_id, generate_configurations, parse_configs
from spearmint.context import RuntimeContext, experiment_case_var
from spearmint.strategies import ShadowStrategy

CONFIGS = [{"model": "gpt-4"}, {"model": "gpt-3.5"}]


def test_a_plain_helper_gets_the_config_that_its_caller_hands_on() -> None:
    mint = Spearmint(configs=CONFIGS)

    def helper_func(prompt: str, config: Config) -> str:
        return f"{config['model']}: {prompt}"

    @mint.experiment()
    def my_func(prompt: str, config: Config) -> str:
        return helper_func(prompt, config)

    assert my_func("hello") == "gpt-4: hello"  # type: ignore[call-arg]


def test_a_parent_passes_its_config_to_a_nested_experiment() -> None:
    mint = Spearmint(configs=CONFIGS)

    @mint.experiment()
    def child_func(text: str, config: Config) -> str:
        return f"{config['model']}: {text}"

    @mint.experiment()
    def parent_func(text: str, config: Config) -> str:
        return child_func(text, config)

    assert parent_func("hello") == "gpt-4: hello"


def test_configs_come_from_dicts_files_and_folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("config.yaml").write_text("model: from-yaml\n", encoding="utf-8")
    Path("configs").mkdir()
    Path("configs", "a.json").write_text('{"model": "from-folder"}', encoding="utf-8")
    found = parse_configs([{"model": "gpt-4"}, "config.yaml", "configs/"])
    assert [config["model"] for config in found] == ["gpt-4", "from-yaml", "from-folder"]


def test_dynamic_values_expand_to_four_configs() -> None:
    config = {"model": DynamicValue(["gpt-4", "gpt-3.5"]), "temp": DynamicValue([0.0, 0.5])}
    expected = [{"model": model, "temp": temp} for model in ("gpt-4", "gpt-3.5") for temp in (0.0, 0.5)]
    assert list(generate_configurations(config)) == expected


def test_a_model_is_bound_to_a_path() -> None:
    class ModelConfig(BaseModel):
        name: str

    mint = Spearmint(configs=[{"llm": {"model": {"name": "gpt-4"}}}])

    @mint.experiment()
    def func(config: Annotated[ModelConfig, Bind("llm.model")]) -> str:
        return config.name

    assert func() == "gpt-4"  # type: ignore[call-arg]


def test_a_function_serves_as_strategy() -> None:
    def my_strategy(configs: list[Config]) -> tuple[Config, list[Config]]:
        main = max(configs, key=lambda config: len(config["model"]))
        variants = [config for config in configs if config != main]
        return main, variants

    mint = Spearmint(strategy=my_strategy, configs=CONFIGS)

    @mint.experiment()
    def process(text: str, config: Config) -> str:
        return f"{config['model']}: {text}"

    assert process("hello") == "gpt-3.5: hello"
    with Spearmint.run(process, await_variants=True) as runner:
        results = runner("hello")
    assert results.main_result.result == "gpt-3.5: hello"
    assert [variant.result for variant in results.variant_results] == ["gpt-4: hello"]


def test_direct_call_gives_mains_value_and_a_run_all_results() -> None:
    mint = Spearmint(configs=CONFIGS, strategy=ShadowStrategy)

    @mint.experiment()
    def process(text: str, config: Config) -> str:
        return f"{config['model']}: {text}"

    assert process("hello") == "gpt-4: hello"  # type: ignore[call-arg]
    with Spearmint.run(process) as runner:
        result = runner("hello")
    assert result.main_result.result == "gpt-4: hello"
    assert result.wait(10)
    assert [variant.result for variant in result.variant_results] == ["gpt-3.5: hello"]


def test_child_is_found_in_its_parents_code_before_running() -> None:
    @spearmint.experiment(configs=CONFIGS, strategy=ShadowStrategy)
    def child_func(text: str, config: Config) -> str:
        return f"{config['model']}: {text}"

    @spearmint.experiment(configs=[{"loud": False}, {"loud": True}], strategy=ShadowStrategy)
    def parent_func(text: str, config: Config) -> str:
        result = child_func(text)  # type: ignore[call-arg]
        return result.upper() if config["loud"] else result

    with Spearmint.run(parent_func, await_variants=True) as runner:
        results = runner("hello")
    assert [part.how for part in results.plan.parts] == ["root", "call"]
    assert [one.result for one in results] == ["gpt-4: hello", "gpt-3.5: hello", "GPT-4: HELLO", "GPT-3.5: HELLO"]


def test_child_called_through_a_variable_takes_part() -> None:
    @spearmint.experiment(configs=CONFIGS, strategy=ShadowStrategy)
    def child_func(text: str, config: Config) -> str:
        return f"{config['model']}: {text}"

    table = {"child": child_func}

    @spearmint.experiment(configs=[{"child": "child"}])
    def parent_func(text: str, config: Config) -> str:
        result: str = table[config["child"]](text)  # type: ignore[call-arg]
        return result

    with Spearmint.run(parent_func, await_variants=True) as runner:
        assert [one.result for one in runner("hello")] == ["gpt-4: hello", "gpt-3.5: hello"]


def test_discovery_needs_no_source() -> None:
    source = """
@spearmint.experiment(configs=CONFIGS, strategy=ShadowStrategy)
def child_func(text, config):
    return f"{config['model']}: {text}"

@spearmint.experiment(configs=[{"loud": False}])
def parent_func(text, config):
    return child_func(text)
"""
    namespace = {"spearmint": spearmint, "CONFIGS": CONFIGS, "ShadowStrategy": ShadowStrategy, "__name__": __name__}
    exec(compile(source, "<no file>", "exec"), namespace)
    with Spearmint.run(namespace["parent_func"], await_variants=True) as runner:
        assert [one.result for one in runner("hello")] == ["gpt-4: hello", "gpt-3.5: hello"]


def test_a_case_can_be_made_current() -> None:
    mint = Spearmint(configs=CONFIGS, strategy=ShadowStrategy)

    @mint.experiment()
    def process(config: Config) -> str:
        case = experiment_case_var.get()
        assert case is not None
        return f"{config['model']} {case.config_id == config.config_id}"

    with Spearmint.run(process, await_variants=True) as runner:
        (variant,) = runner().variant_results
    with RuntimeContext(variant.experiment_case):
        assert experiment_case_var.get() is variant.experiment_case
        assert process() == "gpt-3.5 True"  # type: ignore[call-arg]
    assert experiment_case_var.get() is None


def test_an_async_function_runs_its_variants_as_tasks() -> None:
    mint = Spearmint(configs=CONFIGS, strategy=ShadowStrategy)
    seen: list[str] = []

    @mint.experiment()
    async def async_func(text: str, config: Config) -> str:
        await asyncio.sleep(0)
        seen.append(config["model"])
        return f"Result: {text}"

    async def main() -> str:
        result = await async_func("hello")  # type: ignore[call-arg]
        assert await spearmint.aflush(10)
        return result

    assert asyncio.run(main()) == "Result: hello"
    assert seen == ["gpt-4", "gpt-3.5"]


def test_an_id_is_the_digest_of_the_config_or_the_one_given() -> None:
    config = {"model": "gpt-4", "temperature": 0.5}
    text = json.dumps(config, sort_keys=True)
    assert generate_config_id(config) == hashlib.sha256(text.encode()).hexdigest()[:16]
    (named,) = parse_configs([{"model": "gpt-4", "__config_id__": "my-custom-id"}])
    assert named.config_id == "my-custom-id"
    assert named == {"model": "gpt-4"}


def test_failing_variant_is_logged_and_passed_to_the_callback(caplog: pytest.LogCaptureFixture) -> None:
    told: list[BaseException] = []
    mint = Spearmint(
        strategy=ShadowStrategy, configs=[{"model": "good"}, {"model": "bad-model"}], on_variant_error=told.append
    )

    @mint.experiment()
    def risky_func(text: str, config: Config) -> str:
        if config["model"] == "bad-model":
            message = "Invalid model"
            raise ValueError(message)
        return f"Result: {text}"

    with caplog.at_level(logging.ERROR, logger="spearmint"):
        assert risky_func("hello") == "Result: hello"  # type: ignore[call-arg]
        assert spearmint.flush(10)
    assert [str(error) for error in told] == ["Invalid model"]
    (record,) = caplog.records
    assert "risky_func" in record.message


def test_an_exception_of_main_reaches_the_caller_as_it_is() -> None:
    original = ValueError("input")

    @spearmint.experiment(configs=CONFIGS)
    def my_func(text: str, config: Config) -> Any:
        raise original

    with pytest.raises(ValueError, match="input") as caught:
        my_func("input")
    assert caught.value is original


TRACED = """
import mlflow

import spearmint
from spearmint import Config, Spearmint

mint = Spearmint(configs=[{"model": "gpt-4"}, {"model": "gpt-3.5"}])


@mint.experiment()
def my_func(text: str, config: Config) -> str:
    if text == "bad":
        raise ValueError("Invalid input")
    return f"Result: {text}"


my_func("hello")
try:
    my_func("bad")
except ValueError:
    pass
assert spearmint.flush(100)

traces = mlflow.search_traces()
assert sorted(traces["state"]) == ["ERROR", "OK"]
(span,) = traces["spans"][0]
assert span["name"] == "my_func"
config_id = mint.configs[0].config_id
found = mlflow.search_traces(filter_string=f"tags.`spearmint.config_id` = '{config_id}'", return_type="list")
(span,) = found[0].data.spans
assert span.inputs == {"text": "hello" if span.outputs else "bad", "config": {"model": "gpt-4"}}
assert {trace.data.spans[0].outputs for trace in found} == {"Result: hello", None}
assert all(trace.info.execution_duration is not None for trace in found)
"""


@pytest.mark.slow
def test_executions_are_found_among_the_traces_of_mlflow(tmp_path: Path) -> None:
    pytest.importorskip("mlflow")
    script = tmp_path / "traced.py"
    script.write_text(TRACED, encoding="utf-8")
    environment = {**os.environ, "MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path}/mlflow.db"}
    command = [sys.executable, "-W", "ignore", str(script)]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=110
    )
    assert done.returncode == 0, done.stderr
