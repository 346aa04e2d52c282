"""``spearmint assign``: the arm of each unit, and why."""

import json
import sys

import pytest

from spearmint.assignment.hashing import bucket

PROGRAM = """
    from spearmint import Spearmint, experiment
    from spearmint.strategies import SplitStrategy

    print("imported")
    mint = Spearmint(configs=[{"__config_id__": "small", "size": 1}, {"__config_id__": "large", "size": 2}])

    @mint.experiment(strategy=SplitStrategy(salt="exp", only_if={"age": {"gt": 17}}))
    def page(config):
        raise RuntimeError

    @mint.experiment
    def plain(config):
        return config
"""


@pytest.fixture
def program(write, folder):
    write(assigned___py=PROGRAM)
    yield
    sys.modules.pop("assigned", None)
    while str(folder) in sys.path:
        sys.path.remove(str(folder))


def arm(unit):
    return "small" if bucket(unit, "exp.split") < 0.5 else "large"


def test_each_unit_has_its_arm_and_the_steps(program, invoke):
    lines = invoke("assign", "assigned:page", "ann", "bob", "--attribute", "age=18").stdout.splitlines()
    assert lines[0] == f"ann: {arm('ann')} (split)"
    assert lines[1:3] == ["  unit user_id = ann", "  only_if: it holds"]
    assert f"bob: {arm('bob')} (split)" in lines
    assert lines[-1].endswith(f"of {arm('bob')}")


def test_excluded_unit_is_told_why(program, invoke):
    lines = invoke("assign", "assigned:page", "ann", "--attribute", "age=17").stdout.splitlines()
    assert lines == ["ann: small (default)", "  unit user_id = ann", "  only_if: age is 17, and is to be gt 17"]


def test_answer_as_json(program, invoke):
    (answer,) = json.loads(invoke("assign", "assigned:page", "ünï", "--format", "json", "--attribute", "age=20").stdout)
    assert (answer["unit"], answer["config_id"], answer["reason"]) == ("ünï", arm("ünï"), "split")
    assert len(answer["steps"]) == 4


def test_units_are_assigned_as_settings_say(write, folder, invoke):
    write(
        bare___py="def page(size=0): return size\n",
        spearmint___yaml="""
            packages: [bare]
            experiments:
              - target: bare:page
                configs: [{__config_id__: small, size: 1}, {__config_id__: large, size: 2}]
                strategy: {use: split, with: {unit: session, weights: {large: 1}}}
                bindings: {size: size}
        """,
    )
    try:
        assert invoke("assign", "bare:page", "s1").stdout.splitlines()[:2] == [
            "s1: large (split)",
            "  unit session = s1",
        ]
    finally:
        import spearmint

        spearmint.uninstall()
        sys.modules.pop("bare", None)


@pytest.mark.parametrize(
    ("arguments", "status", "problem"),
    [
        (("assigned:plain", "ann"), 1, "its strategy assigns no units"),
        (("assigned.page", "ann"), 2, "it has no colon. Write 'assigned:page'"),
        (("assigned:pag", "ann"), 1, "Cannot assign for 'assigned:pag'"),
        (("assigned:page", "ann", "--attribute", "age"), 2, "it has no name and value"),
    ],
    ids=range(4),
)
def test_what_cannot_be_assigned_is_told(program, invoke, arguments, status, problem):
    result = invoke("assign", *arguments)
    assert result.exit_code == status
    assert problem in result.stderr


def test_experiment_that_is_off_is_told(program, invoke):
    import spearmint
    from spearmint.registry.switches import switches

    spearmint.disable("assigned:*")
    try:
        result = invoke("assign", "assigned:page", "ann")
    finally:
        spearmint.enable("assigned:*")
        switches._rules.clear()
    assert result.exit_code == 1
    assert "assigned:page is switched off: every unit has the first config" in result.stderr
