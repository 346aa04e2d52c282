"""Which modules and definitions the settings are about, and the digest of what shapes a module."""

import os
import subprocess
import sys

import pytest

from spearmint.errors import SettingsError
from spearmint.instrument.settings.load import read_settings
from spearmint.instrument.settings.matching import Targets


def targets(packages=(), experiments=()):
    entries = [entry if isinstance(entry, dict) else {"target": entry} for entry in experiments]
    return Targets(read_settings({"packages": list(packages), "experiments": entries}))


NAMED = {"name": "pipe", "auto": "named", "configs": [{"t": 1}], "bindings": {"t": "t", "k": "k"}}
ANNOTATED = {"name": "pipe", "auto": "annotated", "configs": [{"t": 1}]}


def rules_of(found, module, name, *parameters):
    rule = found.of(module).find(name, parameters)
    return rule and rule.keys


def test_the_roots_are_the_first_names_of_packages_and_targets():
    assert targets(["a", "b.c"], ["d.e:f", "g.*:f"]).roots == {"a", "b", "d", "g"}


@pytest.mark.parametrize(
    ("module", "is_concerned"),
    [
        ("shop", True),
        ("shop.deep.er", True),
        ("shopping", False),
        ("os", False),
        ("lib", False),
        ("lib.one", True),
        ("lib.one.more", False),
        ("lib.two", False),
        ("glob", False),
        ("glob.any.more", True),
    ],
)
def test_only_modules_of_packages_and_targets_match(module, is_concerned):
    found = targets(["shop"], ["lib.one:f", "glob.*:f"])
    assert found.matches(module) is is_concerned
    assert (found.of(module) is not None) is is_concerned


def test_a_package_without_auto_has_no_rules():
    assert targets(["shop"]).of("shop.rank").rules == ()


def test_exact_target_comes_before_glob_before_package():
    found = targets([NAMED], ["pipe.*:f*", "pipe.a:f", "pipe.a:f_*"])
    assert rules_of(found, "pipe.a", "f", "t") == ("experiments", 1)
    assert rules_of(found, "pipe.a", "f_g", "t") == ("experiments", 0)
    assert rules_of(found, "pipe.a", "g", "t") == ("packages", 0)
    assert rules_of(found, "pipe.a", "g", "other") is None


def test_named_takes_every_function_with_a_bound_parameter():
    found = targets([NAMED])
    assert rules_of(found, "pipe", "f", "x", "k") == ("packages", 0)
    assert rules_of(found, "pipe", "C.__init__", "self", "t") == ("packages", 0)
    assert rules_of(found, "pipe", "f.<locals>.g", "t") == ("packages", 0)
    assert rules_of(found, "pipe", "f") is None
    assert rules_of(found, "pipe", "C.__init_subclass__", "t") is None


def test_annotated_considers_every_function_with_parameters():
    found = targets([ANNOTATED])
    assert rules_of(found, "pipe", "f", "x") == ("packages", 0)
    assert rules_of(found, "pipe", "f") is None


def test_the_innermost_package_decides():
    found = targets([NAMED, "pipe.vendor", {**ANNOTATED, "name": "pipe.new"}])
    assert found.of("pipe.vendor.x").rules == ()
    assert rules_of(found, "pipe.new.x", "f", "other") == ("packages", 2)
    assert rules_of(found, "pipe.newer", "f", "other") is None


def digest(module, packages=(), experiments=()):
    return targets(packages, experiments).of(module).digest


def test_a_digest_depends_on_what_shapes_the_module_only():
    first = digest("pipe.a", [NAMED], ["pipe.a:f", "pipe.b:g"])
    other_configs = {**NAMED, "configs": [{"t": 2}], "strategy": "shadow", "bindings": {"k": "x.y", "t": "z"}}
    assert digest("pipe.a", [other_configs, "else"], [{"target": "pipe.a:f", "max_cases": 3}]) == first
    assert digest("pipe.a", [NAMED], ["pipe.b:g", "pipe.a:f"]) == first
    assert digest("pipe.c", [NAMED]) != first
    assert digest("pipe.a", [NAMED], ["pipe.a:f#2"]) != first
    assert digest("pipe.a", [ANNOTATED], ["pipe.a:f"]) != first
    assert digest("pipe.a", [{**NAMED, "bindings": {"k": "k"}}], ["pipe.a:f"]) != first


def test_modules_without_rules_share_one_digest():
    assert digest("a.b", ["a"]) == digest("c", ["c", NAMED])


@pytest.mark.slow
def test_a_digest_is_the_same_in_every_process():
    code = """
from spearmint.instrument.settings.load import read_settings
from spearmint.instrument.settings.matching import Targets
entry = {"name": "pipe", "auto": "named", "bindings": {"t": "t", "k": "k", "a": "a"}}
print(Targets(read_settings({"packages": [entry]})).of("pipe").digest)
"""
    found = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(found) == 1


def test_unmatched_target_is_an_error_with_close_names(tmp_path):
    path = tmp_path / "spearmint.yaml"
    path.write_text("experiments:\n- target: shop:Ranker.scor\n- target: shop:inner\n- target: shop:f\n")
    found = Targets(read_settings(path))
    with pytest.raises(SettingsError) as caught:
        found.verify_targets("shop", ["f"], ["<module>", "Ranker", "Ranker.score", "f", "g.<locals>.inner"])
    first, second = str(caught.value).splitlines()
    assert first == (
        f"{path}:2:3: Cannot find the target 'shop:Ranker.scor': module 'shop' defines no such function. Correct the "
        "name; a function that the module imports from elsewhere is named by the module that defines it. "
        "Did you mean 'Ranker.score'?"
    )
    assert "spearmint.yaml:3:3: Cannot find the target 'shop:inner'" in second
    assert second.endswith("Did you mean 'g.<locals>.inner'?")


def test_class_as_target_differs_from_a_missing_name():
    (error,) = targets(experiments=["m:Ranker"]).unmatched("m", [], ["Ranker", "Ranker.score"])
    assert "'Ranker' is a class, a stub, or was removed by the compiler; a target names a function." in str(error)


def test_glob_targets_and_other_modules_may_match_nothing():
    found = targets(experiments=["m.*:f", "n:f", "m.a:g*"])
    assert found.unmatched("m.a", ["good"]) == []
    assert len(found.unmatched("m.a", [])) == 1


def test_the_modules_that_targets_name_are_known():
    found = targets(["p"], ["m.a:f", "m.a:g*", "m.*:h"])
    assert found.modules == {"p", "m.a"}


def test_everything_of_an_empty_module_is_no_error():
    found = Targets(read_settings({"experiments": [{"target": "shop:**"}, {"target": "shop:f"}]}))
    (error,) = found.unmatched("shop", [], [])
    assert "Cannot find the target 'shop:f'" in str(error)
