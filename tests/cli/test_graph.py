"""``spearmint graph``: the four forms, and what each edge says."""

import json
import sys

import pytest

import spearmint
from spearmint.discovery import cpython

PROGRAM = """
    from spearmint import Spearmint, experiment

    mint = Spearmint(configs=[{"k": 1}, {"k": 2}])

    @mint.experiment
    def inner(config):
        return helper(config)

    def helper(config):
        return sorted([1], key=by_value)

    def by_value(x):
        return x

    class Ranker:
        @mint.experiment
        def go(self, config):
            return self.help()

        def help(self):
            return inner(), helper(1)

    @experiment
    def top():
        return Ranker().go()
"""


@pytest.fixture
def program(write, folder):
    write(graphed___py=PROGRAM)
    yield folder
    sys.modules.pop("graphed", None)


def test_tree_shows_each_functions_kind_and_how_it_was_found(program, invoke):
    result = invoke("graph", "graphed:top")
    assert result.exit_code == 0
    assert (
        result.stdout
        == """\
graphed:top  [experiment under its caller's config]
└─ graphed:Ranker.go  [experiment, 2 configs, SingleConfigStrategy]  (calls Ranker().go, line 26, bytecode)
   └─ graphed:Ranker.help  (calls self.help, line 19, bytecode)
      ├─ graphed:inner  [experiment, 2 configs, SingleConfigStrategy]  (calls inner, line 22, bytecode)
      │  └─ graphed:helper  (calls helper, line 8, bytecode)
      │     └─ graphed:by_value  (passes by_value, line 11, bytecode)
      └─ graphed:helper  (calls helper, line 22, bytecode) ...
"""
    )


def test_a_method_is_drawn_for_any_instance_of_its_class(program, invoke):
    lines = invoke("graph", "graphed:Ranker.go").stdout.splitlines()
    assert lines[1] == "└─ graphed:Ranker.help  (calls self.help, line 19, bytecode)"


def test_a_plain_function_is_drawn_too(program, invoke):
    assert invoke("graph", "graphed:helper").stdout.splitlines()[0] == "graphed:helper"


def test_json_has_nodes_and_edges(program, invoke):
    drawing = json.loads(invoke("graph", "graphed:inner", "--format", "json").stdout)
    assert [node["name"] for node in drawing["nodes"]] == ["graphed:inner", "graphed:helper", "graphed:by_value"]
    assert drawing["edges"] == [
        {"caller": 0, "callee": 1, "kind": "call", "target": "helper", "line": 8, "found": "bytecode"},
        {"caller": 1, "callee": 2, "kind": "reference", "target": "by_value", "line": 11, "found": "bytecode"},
    ]


def test_mermaid_and_dot_write_the_same(program, invoke):
    mermaid = invoke("graph", "graphed:inner", "--format", "mermaid").stdout.splitlines()
    assert mermaid[:2] == [
        "flowchart TD",
        '    n0["graphed:inner<br/>experiment, 2 configs, SingleConfigStrategy"]:::experiment',
    ]
    assert '    n0 -->|"calls helper, line 8, bytecode"| n1' in mermaid
    assert '    n1 -.->|"passes by_value, line 11, bytecode"| n2' in mermaid
    dot = invoke("graph", "graphed:inner", "--format", "dot").stdout.splitlines()
    assert (dot[0], dot[-1]) == ("digraph spearmint {", "}")
    assert '    n0 [label="graphed:inner\\nexperiment, 2 configs, SingleConfigStrategy", penwidth=3];' in dot
    assert '    n1 -> n2 [label="passes by_value, line 11, bytecode", style=dashed];' in dot


@pytest.mark.parametrize(
    ("target", "status", "message"),
    [
        ("graphed.top", 2, "Cannot draw 'graphed.top': it has no colon. Write 'graphed:top'."),
        ("graphde:top", 1, "Cannot draw 'graphde:top': No module named 'graphde'. Correct the module, or go to where "),
        ("graphed:tpo", 1, "Cannot draw 'graphed:tpo': module 'graphed' has no attribute 'tpo'"),
        ("graphed:Ranker.stop", 1, "type object 'Ranker' has no attribute 'stop'"),
    ],
)
def test_missing_targets_are_reported(program, invoke, target, status, message):
    result = invoke("graph", target)
    assert result.exit_code == status
    assert message in result.stderr


@pytest.mark.slow
def test_graph_under_settings_shows_what_they_declare(write, start):
    write(
        spearmint___yaml="experiments: [{target: 'drawn:two', configs: [{k: 1}], bindings: {k: k}}]",
        drawn___py="print('imported')\ndef one():\n    return two()\ndef two(k=0):\n    return k\n",
    )
    done = start("-m", "spearmint", "graph", "drawn:one")
    assert (
        done.stdout
        == "drawn:one\n└─ drawn:two  [experiment, 1 config, SingleConfigStrategy]  (calls two, line 3, call table)\n"
    )
    assert done.stderr == "imported\n"


def test_graph_on_an_unknown_python_says_that_it_cannot_tell(program, invoke, monkeypatch):
    monkeypatch.setattr(cpython, "COMPILERS", {(3, 99): None})
    result = invoke("graph", "graphed:top")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Cannot tell what 'graphed:top' reaches on cpython 3." in result.stderr


VALUES = {
    "drawn__prompts___py": "SYSTEM = 'Be kind.'\nOTHER = 1\n",
    "drawn__api___py": (
        "from drawn.prompts import SYSTEM\n"
        "def answer(q):\n    return ask(q) * 2\n"
        "def ask(q):\n    return f'{SYSTEM} {q}'\n"
    ),
    "drawn___yaml": """
        packages: [drawn]
        experiments:
          - {value: "drawn.prompts:SYSTEM", within: "drawn.api:answer", configs: [{v: a}], path: v}
          - {value: "drawn.api:answer#2", configs: [{v: 3}, {v: 4}], path: v, strategy: round_robin}
    """,
}


def test_values_are_drawn_as_read(write, invoke):
    write(**VALUES)
    try:
        lines = invoke("graph", "drawn.api:answer", "--config", "drawn.yaml").stdout.splitlines()
        edges = json.loads(invoke("graph", "drawn.api:answer", "--format", "json").stdout)["edges"]
    finally:
        spearmint.uninstall()
        for name in [one for one in sys.modules if one.partition(".")[0] == "drawn"]:
            del sys.modules[name]

    assert lines == [
        "drawn.api:answer  [experiment under its caller's config]",
        "├─ drawn.api:ask  (calls ask, line 3, call table)",
        "│  └─ drawn.prompts:SYSTEM  [value, 2 configs, SingleConfigStrategy]  (reads SYSTEM, line 5, bytecode)",
        "└─ drawn.api:answer#2  [value, 3 configs, RoundRobinStrategy]  (reads answer#2, line 3, bytecode)",
    ]
    assert [one["kind"] for one in edges] == ["call", "read", "read"]
