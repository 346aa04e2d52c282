"""While nothing in the process has configs, an experiment without is called as the function that it is."""

import subprocess
import sys
import weakref

import pytest

import spearmint
from spearmint import Spearmint
from spearmint.context import experiment_case_var
from spearmint.execution.call_metrics import call_meter
from spearmint.proxy.proxy import ExperimentProxy, compile_anew
from spearmint.registry.plain_calls import plain_calls
from spearmint.testing import override
from spearmint.tracing import recorder
from spearmint.tracing.exporter import exporter
from spearmint.tracing.options import TracingOptions

CALL = ExperimentProxy.__dict__["__call__"]
untraced = Spearmint(tracing=False)


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    """Let the process have no experiments with configs, whatever other tests have left."""
    monkeypatch.setattr(plain_calls, "_with_configs", weakref.WeakKeyDictionary())
    monkeypatch.setattr(plain_calls, "_rewriters", weakref.WeakKeyDictionary())


def is_plain(experiment):
    return CALL.__get__(experiment) is experiment._self_experiment.function


def case():
    return experiment_case_var.get()


def caller():
    return sys._getframe(1).f_code


class Shop:
    @untraced.experiment
    def caller(self):
        return sys._getframe(1).f_code

    @untraced.experiment
    @classmethod
    def case(cls):
        return experiment_case_var.get()


def test_call_without_configs_has_no_frame_of_ours():
    called = untraced.experiment(caller)
    assert is_plain(called)
    assert called() is sys._getframe().f_code
    assert untraced.experiment(case)() is None


def test_methods_without_configs_have_no_frame_of_ours():
    compile_anew(Shop.__dict__["caller"])
    compile_anew(Shop.__dict__["case"].__func__)
    assert Shop().caller() is sys._getframe().f_code
    assert Shop.case() is None


def test_configs_of_another_make_more_of_it():
    @untraced.experiment
    def outer():
        return inner()

    assert is_plain(outer)

    @untraced.experiment(configs=[{"n": 1}, {"n": 2}])
    def inner(config):
        return config["n"]

    assert not is_plain(outer)
    with Spearmint.run(outer, await_variants=True) as runner:
        assert [one.result for one in runner()] == [1]
    with spearmint.capture() as captured:
        assert outer() == 1
    assert [one.name for one in captured.calls] == [outer._self_experiment.name]


def test_one_declared_beside_configs_is_no_plain_call():
    @untraced.experiment(configs=[{"n": 1}])
    def configured(config):
        return config["n"]

    assert not is_plain(untraced.experiment(case))
    configured._self_experiment.is_released = True
    assert is_plain(untraced.experiment(case))


def test_parameter_that_configs_fill_is_no_plain_call():
    @untraced.experiment
    def needs(config: spearmint.Config):
        return config

    assert not is_plain(needs)
    with pytest.raises(spearmint.errors.BindingError, match="'config'"):
        needs()


def test_calls_are_captured_and_remain_more():
    called = untraced.experiment(case)
    with spearmint.capture() as captured:
        assert called() is not None
        declared_meanwhile = untraced.experiment(case)
        declared_meanwhile()
    assert len(captured.calls) == 2
    assert called() is not None


def test_count_of_executions_makes_more_of_it():
    called = untraced.experiment(case)
    assert is_plain(called)
    spearmint.configure(metrics={"enabled": True})
    try:
        call_meter.reset()
        declared_meanwhile = untraced.experiment(case)
        called()
        declared_meanwhile()
        assert [row.calls for row in spearmint.metrics()] == [2]
    finally:
        spearmint.configure(metrics={"enabled": False})
        call_meter.reset()


def test_pin_makes_more_of_it():
    called = untraced.experiment(case)
    with override(called, {"k": 5}):
        assert called().config == {"k": 5}


def test_options_of_tracing_make_more_of_it():
    called = untraced.experiment(case)
    recorder.set_options({})
    assert not is_plain(called)


@pytest.mark.parametrize(
    ("tracing", "enabled", "sees_imports", "expected"),
    [
        (True, None, True, False),
        (None, True, True, False),
        (None, None, False, False),  # Nothing would tell of an import of mlflow.
        (None, None, True, True),
        (None, False, False, True),
    ],
)
def test_what_may_be_traced_is_no_plain_call(monkeypatch, tracing, enabled, sees_imports, expected):
    monkeypatch.delitem(sys.modules, "mlflow", raising=False)
    monkeypatch.setattr(exporter, "options", TracingOptions(enabled=enabled))
    monkeypatch.setattr(plain_calls, "sees_imports", sees_imports)
    assert is_plain(spearmint.experiment(tracing=tracing)(case)) is expected


def test_it_becomes_more_while_another_thread_declares(monkeypatch):
    """Between the check and the write of a plain call, an experiment with configs comes."""
    add = plain_calls.add

    def interrupted(experiment, rewrite):
        add(experiment, rewrite)
        untraced.experiment(configs=[{"n": 1}])(lambda config: config["n"])

    monkeypatch.setattr(plain_calls, "add", interrupted)
    assert not is_plain(untraced.experiment(case))


@pytest.mark.slow
def test_import_of_mlflow_traces_plain_calls(tmp_path):
    pytest.importorskip("mlflow")
    (tmp_path / "shop.py").write_text("import sys\ndef caller():\n    return sys._getframe(1).f_code.co_name\n")
    program = """
import os, sys, spearmint
spearmint.install({"experiments": [{"target": "shop:**"}]}, packages=["shop"])
import shop
assert shop.caller() == "<module>", shop.caller()
assert "mlflow" not in sys.modules
import mlflow
shop.caller()
print(spearmint.tracing_stats().recorded, flush=True)
os._exit(0)  # Without a wait for the trace to be written.
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout == "1\n", done.stderr


@pytest.mark.slow
def test_uninstalled_hook_leaves_no_plain_call(tmp_path):
    """Nothing tells of an import of mlflow then."""
    program = """
import spearmint
from spearmint.registry.plain_calls import plain_calls
handle = spearmint.install({"packages": ["json"]})
f = spearmint.experiment(lambda: 1)
assert f._self_experiment in plain_calls
handle.uninstall()
assert f._self_experiment not in plain_calls
print(f())
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.stdout == "1\n", done.stderr
