"""Functions that become experiments because the settings say so, as injected code hands them over."""

import functools
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import pytest
from pydantic import BaseModel

import spearmint
from spearmint import Bind, Config, Spearmint
from spearmint.errors import BindingError, SettingsError, SpearmintWarning
from spearmint.instrument.declare.declarations import Declarations
from spearmint.instrument.settings.load import read_settings
from spearmint.instrument.settings.matching import Targets


class Model(BaseModel):
    k: int


def declarations(settings):
    return Declarations(Targets(read_settings(settings)))


def made(entry, function, name=None):
    """Declare a function as the only experiment of module m."""
    declared = declarations({"experiments": [{"target": "m:f", **entry}]})
    return declared.declare(function, "m", name or "f")


def test_a_function_that_no_rule_is_about_stays_itself():
    def f(x): ...

    declared = declarations({"packages": ["m"], "experiments": [{"target": "m:g"}]})
    assert declared.declare(f, "m", "f") is f
    assert declared.declare(f, "elsewhere", "g") is f


def test_target_runs_under_its_configs_strategy_and_bindings():
    def f(x, k=0):
        return x, k

    entry = {"configs": [{"a": {"k": 1}}, {"a": {"k": 2}}], "strategy": "round_robin", "bindings": {"k": "a.k"}}
    experiment = made(entry, f)
    assert [experiment("x"), experiment("x"), experiment("x")] == [("x", 1), ("x", 2), ("x", 1)]
    assert experiment("x", k=9) == ("x", 9)


def test_override_wins_over_a_caller_that_hard_codes_the_value():
    def f(x, k=0):
        return x, k

    experiment = made({"configs": [{"k": 1}], "bindings": {"k": {"path": "k", "override": True}}}, f)
    assert experiment("x", 9) == ("x", 1)
    assert experiment("x", k=9) == ("x", 1)
    assert experiment("x") == ("x", 1)


def test_options_of_an_entry_reach_the_experiment():
    def f(k): ...

    seen = []
    entry = {"configs": [{"k": 1}], "variant_timeout": 2, "max_cases": None, "on_variant_error": seen.append}
    settings = made({**entry, "bindings": {"k": "k"}}, f)._self_experiment.settings
    assert (settings.variant_timeout, settings.max_cases, settings.on_variant_error) == (2, None, seen.append)


def right(outputs):
    return outputs == 1


def test_scorers_of_an_entry_reach_the_experiment():
    def f(k): ...

    entry = {"configs": [{"k": 1}], "bindings": {"k": "k"}}
    settings = made({**entry, "metrics": f"{__name__}:right"}, f)._self_experiment.settings
    assert [(one.name, one.function) for one in settings.scorers] == [("right", right)]
    assert made({**entry, "metrics": [right]}, f)._self_experiment.settings.scorers == settings.scorers
    assert made(entry, f)._self_experiment.settings.scorers is None
    with pytest.raises(SettingsError, match="Cannot import 'nowhere:right'"):
        made({**entry, "metrics": ["nowhere:right"]}, f)
    with pytest.raises(SettingsError, match="Cannot score calls by 'error'"):
        made({**entry, "metrics": [type("error", (), {"__call__": lambda self, outputs: 1})()]}, f)


def test_configs_are_read_lazily_from_the_folder_of_the_file(tmp_path, monkeypatch):
    (tmp_path / "k.yaml").write_text("[broken")
    path = tmp_path / "spearmint.yaml"
    path.write_text("experiments: [{target: 'm:f', configs: [k.yaml], bindings: {k: k}}]")
    declared = declarations(path)
    (tmp_path / "k.yaml").write_text("k: 7")
    assert declared.declare(lambda k: k, "m", "f")() == 7


def test_strategy_is_imported_by_path_with_its_arguments(monkeypatch):
    class Last:
        def __init__(self, *, back=1):
            self.back = back

        def __call__(self, configs):
            return configs[-self.back], ()

    module = types.ModuleType("own_strategies")
    module.Last = Last
    monkeypatch.setitem(sys.modules, "own_strategies", module)
    entry = {"configs": [{"k": 1}, {"k": 2}, {"k": 3}], "bindings": {"k": "k"}}
    assert made({**entry, "strategy": "own_strategies:Last"}, lambda k: k)() == 3
    strategy = {"use": "own_strategies:Last", "with": {"back": 2}}
    assert made({**entry, "strategy": strategy}, lambda k: k)() == 2
    with pytest.raises(SettingsError, match=r"^experiments\[0\].strategy: Cannot make strategy .*It takes 'back'\.$"):
        made({**entry, "strategy": {"use": "own_strategies:Last", "with": {"front": 2}}}, lambda k: k)
    with pytest.raises(SettingsError, match=r"^experiments\[0\].strategy: Cannot import 'own_strategies:First': "):
        made({**entry, "strategy": "own_strategies:First"}, lambda k: k)


def test_unknown_parameter_is_an_error_at_its_line(tmp_path):
    path = tmp_path / "spearmint.yaml"
    path.write_text("experiments:\n- target: m:f\n  configs: [{k: 1}]\n  bindings:\n    limt: k\n")

    def f(limit): ...

    with pytest.raises(SettingsError) as caught:
        declarations(path).declare(f, "m", "f")
    assert str(caught.value).startswith(f"{path}:5:5: Cannot bind parameter 'limt' of ")
    assert str(caught.value).endswith("Did you mean 'limit'?")
    assert isinstance(caught.value.__cause__, BindingError)


def test_config_missing_a_parameter_is_an_error_at_its_binding():
    def f(limit): ...

    entry = {"configs": [{"n": 1}, {"k": 1}], "bindings": {"limit": "n"}}
    with pytest.raises(SettingsError, match=r"^experiments\[0\].bindings.limit: Cannot bind parameter 'limit' of "):
        made(entry, f)


def test_path_of_no_config_is_an_error_despite_a_default():
    def f(limit=3): ...

    message = (
        r"^experiments\[0\].bindings.limit: Cannot bind 'limit' to 'n.m': no config has it; in the first one, there"
    )
    with pytest.raises(SettingsError, match=message):
        made({"configs": [{"n": 1}, {"k": 1}], "bindings": {"limit": "n.m"}}, f)
    assert made({"configs": [{"k": 1}, {"n": {"m": 5}}], "bindings": {"limit": "n.m"}}, lambda limit=3: limit)() == 3


def test_glob_gives_each_function_the_bindings_it_can_use():
    def one(a):
        return a

    def two(b):
        return b

    entry = {"target": "m:*", "configs": [{"a": 1, "b": 2}], "bindings": {"a": "a", "b": "b"}}
    declared = declarations({"experiments": [entry]})
    assert declared.declare(one, "m", "one")() == 1
    assert declared.declare(two, "m", "two")() == 2


def test_functions_of_one_entry_share_a_config_and_two_multiply():
    def inner(k):
        return k

    def outer(k):
        return k, declared_inner()

    package = {"name": "m", "auto": "named", "configs": [{"k": 1}, {"k": 2}], "strategy": "multi_branch"}
    declared = declarations({"packages": [{**package, "bindings": {"k": "k"}}]})
    declared_inner = declared.declare(inner, "m", "inner")
    results = declared.declare(outer, "m", "outer")()
    assert [one.result for one in results] == [(1, 1), (2, 2)]

    entries = [
        {"target": "m:inner", "configs": [{"k": "a"}], "bindings": {"k": "k"}},
        {"target": "m:outer", "configs": [{"k": 1}, {"k": 2}], "bindings": {"k": "k"}, "strategy": "multi_branch"},
    ]
    declared = declarations({"experiments": entries})
    declared_inner = declared.declare(inner, "m", "inner")
    results = declared.declare(outer, "m", "outer")()
    assert [one.result for one in results] == [(1, "a"), (2, "a")]


def annotated(function, **entry):
    package = {"name": "m", "auto": "annotated", "configs": [{"k": 3, "deep": {"k": 4}}], **entry}
    return declarations({"packages": [package]}).declare(function, "m", "f")


def test_annotated_takes_functions_that_ask_for_a_config():
    def by_config(config: Config):
        return config["k"]

    def by_bind(k: Annotated[int, Bind("deep.k")]):
        return k

    def by_model(model: Model):
        return model.k

    def by_text(model: "Model"):
        return model.k

    assert annotated(by_config)() == 3
    assert annotated(by_bind)() == 4
    assert annotated(by_model)() == 3
    assert annotated(by_text)() == 3


def test_annotated_leaves_functions_alone_that_do_not():
    def plain(x, config=None): ...
    def typed(x: int, y: "str") -> Config: ...

    assert annotated(plain) is plain
    assert annotated(typed) is typed


def test_model_that_no_config_fits_warns_once():
    class Strange(BaseModel):
        name: str

    def f(model: Strange): ...

    def g(model: Strange): ...

    package = {"name": "m", "auto": "annotated", "configs": [{"k": 3}, {"k": 4}]}
    declared = declarations({"packages": [package]})
    with pytest.warns(SpearmintWarning, match=r"^m:f is left as it is, since no config can be its .*Strange \(1 valid"):
        assert declared.declare(f, "m", "f") is f
    assert declared.declare(g, "m", "g") is g
    assert annotated(f, configs=[{"name": "x"}, {"name": "y"}]) is not f
    with pytest.raises(SettingsError, match="name: Field required"):
        annotated(f, configs=[{"k": 3}, {"name": "x"}])


def test_binding_by_model_path_reaches_its_parameters_only():
    class Other(BaseModel):
        k: int

    def by_model(model: Model):
        return model.k

    def by_other(model: Other):
        return model.k

    bindings = {f"{Model.__module__}:Model": "deep"}
    assert annotated(by_model, bindings=bindings)() == 4
    assert annotated(by_other, bindings=bindings) is by_other
    assert made({"configs": [{"deep": {"k": 4}}], "bindings": bindings}, by_model)() == 4
    with pytest.raises(SettingsError, match="no parameter of 'm:f' is annotated with it"):
        made({"configs": [{"deep": {"k": 4}}], "bindings": bindings}, by_other)


def test_unreadable_annotation_warns_where_it_may_be_a_config():
    def f(config: "missing.Config"): ...  # noqa: F821

    def g(config: "missing.Thing"): ...  # noqa: F821

    with pytest.warns(SpearmintWarning, match=r"^Cannot tell whether m:f is an experiment: the annotation 'missing.Co"):
        assert annotated(f) is f
    assert annotated(g) is g


def test_annotation_may_name_a_local_class_of_its_maker():
    class Local(BaseModel):
        k: int

    def f(model: "Local"):
        return model.k

    package = {"name": "m", "auto": "annotated", "configs": [{"k": 3}]}
    assert declarations({"packages": [package]}).declare(f, "m", "f")() == 3


def test_what_is_declared_is_an_experiment_that_can_be_run():
    def f(k):
        return k

    experiment = made({"configs": [{"k": 1}, {"k": 2}], "strategy": "shadow", "bindings": {"k": "k"}}, f)
    with Spearmint.run(experiment, await_variants=True) as runner:
        assert [one.result for one in runner()] == [1, 2]
    assert spearmint.flush(5)


INNER = {"configs": [{"k": 1}, {"k": 2}, {"k": 3}], "strategy": "round_robin", "bindings": {"k": "k"}}


def test_local_function_is_one_experiment_however_often_made():
    declared = declarations({"experiments": [{"target": "m:**", **INNER}]})

    def outer(x, default=0):
        def inner(k=default, *, y=default):
            return x, k, y

        return declared.declare(inner, "m", "outer.<locals>.inner")

    assert [outer("a")(), outer("b")(), outer("c", 7)(), outer("d")()] == [
        ("a", 1, 0),
        ("b", 2, 0),
        ("c", 3, 7),
        ("d", 1, 0),
    ]
    assert outer("e")(9) == ("e", 9, 0)


def test_local_function_with_other_annotations_is_declared_anew():
    declared = declarations({"experiments": [{"target": "m:**", "configs": [{"k": 1}], "bindings": {"k": "k"}}]})

    def outer(kind):
        def inner(k: kind):
            return k

        return declared.declare(inner, "m", "outer.<locals>.inner")

    def by_text(local):
        def inner(k: "local"):
            return k

        return declared.declare(inner, "m", "by_text.<locals>.inner")

    assert [outer(int)(), outer(float)(), outer(int)()] == [1, 1.0, 1]
    assert type(outer(float)()) is float
    assert [type(by_text(kind)()) for kind in (int, float, int)] == [int, float, int]


def test_threads_making_a_function_at_once_share_its_turns():
    declared = declarations({"experiments": [{"target": "m:**", **INNER}]})
    together = threading.Barrier(4)

    def outer():
        def inner(k):
            return k

        together.wait(5)
        return declared.declare(inner, "m", "outer.<locals>.inner")

    with ThreadPoolExecutor(4) as pool:
        made = [future.result() for future in [pool.submit(outer) for _ in range(4)]]
    assert [one() for one in made] == [1, 2, 3, 1]


def test_functions_of_one_definition_record_calls_separately():
    declared = declarations({"experiments": [{"target": "m:**", "configs": [{"k": 1}], "bindings": {"k": "k"}}]})

    def outer(called):
        def inner(k):
            return called()

        return declared.declare(inner, "m", "outer.<locals>.inner")

    first, second = outer(int), outer(str)
    assert (first(), second(), first()) == (0, "", 0)
    assert first._self_experiment is not second._self_experiment
    assert first._self_experiment.state.cached_case is not second._self_experiment.state.cached_case


def unreadable(text, **bindings):
    """Declare a function of a module whose annotations name what is not there."""
    entry = {"target": text, "configs": [{"k": 1}], "bindings": bindings}
    declared = declarations({"experiments": [entry]})

    def f(config: "Context", k: int = 0, *args: "Missing", **rest: "Missing") -> "Missing":  # noqa: F821
        return config, k

    return declared.declare(f, "m", "f")


@pytest.mark.parametrize("target", ["m:f", "m:**", "m:*"])
def test_annotation_that_cannot_be_read_asks_for_nothing(target):
    assert unreadable(target)("given") == ("given", 0)
    assert unreadable(target, k="k")("given") == ("given", 1)
    assert unreadable(target, config="k")() == (1, 0)


def test_unreadable_annotation_leaves_the_package_importable():
    package = {"name": "m", "auto": "annotated", "configs": [{"k": 1}]}
    declared = declarations({"packages": [package]})

    def f(settings: "dict[str, Missing]", config: Config) -> tuple:  # noqa: F821
        return settings, config

    assert declared.declare(f, "m", "f")("given") == ("given", {"k": 1})


def test_unreadable_annotation_of_a_decorated_one_is_ignored():
    declared = declarations({"experiments": [{"target": "m:**", "configs": [{"k": 1}]}]})

    def f(config: "Missing") -> int:  # noqa: F821
        return config

    @functools.wraps(f)
    def wrapper(*args, **kwargs):
        return f(*args, **kwargs)

    assert declared.declare(wrapper, "m", "f")("given") == "given"
