"""The command as a whole: help, completion, version, and how it ends."""

import ast
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

import spearmint.cli
from spearmint.cli import _COMMANDS, main


def test_help_lists_every_command_with_a_line_of_its_own(invoke):
    result = invoke("--help")
    assert result.exit_code == 0
    listed = {line.split()[0] for line in result.output.split("Commands:")[1].splitlines() if len(line.split()) > 2}
    assert listed == set(_COMMANDS)


@pytest.mark.parametrize("name", sorted(_COMMANDS))
def test_each_command_has_help_with_examples(invoke, name):
    result = invoke(name, "--help")
    assert result.exit_code == 0
    assert f"Usage: spearmint {name}" in result.output
    assert "Examples:\n    spearmint " in result.output.replace('eval "$(spearmint', "spearmint")


def test_an_unknown_command_and_no_command_end_with_status_2(invoke):
    assert invoke("chek").exit_code == 2
    assert invoke().exit_code == 2


def test_version_is_printed(invoke):
    assert invoke("--version").output == f"spearmint, version {version('spearmint-experiments')}\n"


def test_what_spearmint_refuses_is_a_line_on_stderr_and_status_1(invoke):
    result = invoke("configs", "nowhere.yaml")
    assert result.exit_code == 1
    assert result.stderr.startswith("Error: configs[0]: Cannot read configs from 'nowhere.yaml': there is no ")
    assert result.stdout == ""


@pytest.mark.parametrize("shell", ["bash", "fish", "zsh"])
def test_completion_prints_what_the_shell_reads(invoke, shell):
    result = invoke("completion", shell)
    assert result.exit_code == 0
    assert f"_SPEARMINT_COMPLETE={shell}_complete" in result.output


@pytest.mark.slow
def test_completion_completes_commands(start):
    env = {"_SPEARMINT_COMPLETE": "bash_complete", "COMP_WORDS": "spearmint con", "COMP_CWORD": "1"}
    done = start("-c", "from spearmint.cli import main; main(prog_name='spearmint')", env=env)
    assert done.stdout == "plain,configs\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    ["evaluate --data ro", "evaluate --configs ro", "evaluate --report ro", "configs ro", "run ro", "check ro"],
)
def test_completion_completes_files(start, words):
    count = str(len(words.split()))
    env = {"_SPEARMINT_COMPLETE": "bash_complete", "COMP_WORDS": f"spearmint {words}", "COMP_CWORD": count}
    done = start("-c", "from spearmint.cli import main; main(prog_name='spearmint')", env=env)
    assert done.stdout == "file,ro\n"


@pytest.mark.slow
def test_the_module_is_the_command(start):
    done = start("-m", "spearmint", "--version")
    assert (done.returncode, done.stdout.split()[0]) == (0, "spearmint,")


@pytest.mark.slow
def test_asking_for_help_opens_no_room_that_takes_long(start):
    code = "import sys; from spearmint.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    loaded = set(start("-c", code).stdout.split())
    assert "click" in loaded
    assert loaded.isdisjoint({"mlflow", "pandas", "spearmint.instrument.importing.hook", "wrapt"})


def test_the_entry_point_of_the_project_is_the_group():
    project = (Path(spearmint.cli.__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert 'spearmint = "spearmint.cli:main"' in project
    assert main.name == "main"


def test_commands_are_named_after_their_modules():
    for name, module in _COMMANDS.items():
        path = Path(spearmint.cli.__file__).parent / f"{module.rpartition('.')[2]}.py"
        functions = {node.name for node in ast.parse(path.read_text(encoding="utf-8")).body if hasattr(node, "name")}
        assert f"{name}_command" in functions
    assert sys.modules["spearmint.cli"] is spearmint.cli
