"""Functions that no finder is asked for: cells of IPython, `exec`, and the interactive interpreter."""

import pytest

from spearmint import Spearmint
from spearmint.strategies import ShadowStrategy

SETTINGS = """
experiments:
  - target: __main__:score
    configs: [{b: 3}]
    bindings: {boost: b}
  - target: __main__:Ranker.rank
    configs: [{b: 4}]
    bindings: {boost: b}
"""

SHELL = """
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
shell.history_manager.enabled = False


def cell(text):
    result = shell.run_cell(text)
    result.raise_error()
"""


@pytest.mark.slow
def test_cells_are_instrumented_when_the_extension_is_loaded(project, run, tmp_path):
    project.write({"spearmint.yaml": SETTINGS})
    done = run(
        source=SHELL
        + '''
cell("%load_ext spearmint")
cell("""
def route(function):
    kept.append(function)
    return function

kept = []

@route
def score(boost=1):
    "Doc."
    return boost

class Ranker:
    def rank(self, boost=1):
        return score(boost)

score()
""")
cell("print(score(), kept[0](), Ranker().rank(), score.__doc__)")
cell("async def later(boost=1):\\n    return score()")
cell("print(await later())")
cell("%reload_ext spearmint")
cell("%unload_ext spearmint")
cell("def score(boost=1): return boost")
cell("print(score(), kept[0]())")
''',
        IPYTHONDIR=str(tmp_path / "ipython"),
    )
    assert done.stderr == ""
    assert done.stdout.splitlines()[-3:] == ["3 3 4 Doc.", "3", "1 1"]


@pytest.mark.slow
def test_extension_loads_without_settings_for_a_later_install(project, run, tmp_path):
    done = run(
        source=SHELL
        + '''
cell("%load_ext spearmint")
cell("""
import spearmint
handle = spearmint.install(
    {"experiments": [{"target": "__main__:score", "configs": [{"b": 3}], "bindings": {"boost": "b"}}]}
)
""")
cell("def score(boost=1): return boost")
cell("print(score())")
''',
        IPYTHONDIR=str(tmp_path / "ipython"),
        PYTHONWARNINGS="ignore",
    )
    assert done.stdout.splitlines()[-1:] == ["3"], done.stderr


def test_experiments_made_by_exec_find_those_that_they_call():
    mint = Spearmint(configs=[{"b": 1}, {"b": 2}])
    namespace = {"mint": mint, "ShadowStrategy": ShadowStrategy, "__name__": "made"}
    exec(
        "@mint.experiment()\n"
        "def outer(config):\n    return config['b'], helper()\n\n"
        "def helper():\n    return inner()\n\n"
        "@mint.experiment(configs=[{'c': 5}, {'c': 6}], strategy=ShadowStrategy)\n"
        "def inner(config):\n    return config['c']\n",
        namespace,
    )
    with Spearmint.run(namespace["outer"], await_variants=True) as runner:
        results = runner()
    assert [one.result for one in results] == [(1, 5), (1, 6)]


@pytest.mark.slow
def test_interactive_interpreter_runs_without_source(run):
    session = """
import code, sys, io
shell = code.InteractiveConsole({"__name__": "__main__"})
for line in [
    "from spearmint import Spearmint",
    "mint = Spearmint(configs=[{'b': 3}])",
    "@mint.experiment(bindings={'boost': 'b'})",
    "def outer(boost=1):",
    "    return inner() + boost",
    "",
    "@mint.experiment(bindings={'boost': 'b'})",
    "def inner(boost=1):",
    "    return boost",
    "",
    "print(outer())",
]:
    shell.push(line)
"""
    done = run("-c", session)
    assert (done.stdout, done.stderr) == ("6\n", "")


@pytest.mark.slow
def test_value_of_a_cell_is_told_to_stay_as_it_is(project, run):
    project.write({"spearmint.yaml": "experiments:\n  - {value: '__main__:PROMPT', configs: [{v: a}], path: v}\n"})

    done = run(source=SHELL + 'cell("%load_ext spearmint")\ncell("PROMPT = \'b\'")\ncell("print(PROMPT)")\n')

    assert done.stdout == "b\n"
    assert done.stderr.count("Cannot vary '__main__:PROMPT': values that stand in cells are not followed") == 1
