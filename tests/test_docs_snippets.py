"""Every Python snippet of README and docs runs, and prints what the page says it prints.

The snippets of a page share one namespace and run in order, in an empty directory. A ``text`` or ``output`` block that
directly follows a snippet is what it prints. A block with a title is a file of that name; pytest runs files of tests.
In a block of the classes ``console`` and ``run``, the lines with a ``$`` are commands, and those below what they print.
"""

import contextlib
import io
import re
import shlex
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType

import pytest
from markdown_it import MarkdownIt

from spearmint.online.writer import records

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]
# By its entry point, unless the installed metadata is older than that.
PLUGIN = () if entry_points(group="pytest11", name="spearmint") else ("-p", "spearmint.pytest_plugin")


def run_page(page: Path) -> int:
    """Run the snippets of a page and return how many there were."""
    # A module that can be imported, as pickling and the resolving of annotations expect.
    module = ModuleType("snippets")
    sys.modules[module.__name__] = module
    tokens = MarkdownIt().parse(page.read_text(encoding="utf-8"))
    count = 0
    try:
        for token, following in zip(tokens, [*tokens[1:], None], strict=True):
            if token.type == "fence" and (title := re.search(r'title="(.+)"', token.info)):
                written_to = Path(title[1])
                written_to.parent.mkdir(parents=True, exist_ok=True)
                written_to.write_text(token.content, encoding="utf-8")
            if is_fence(token, "{ .console .run }"):
                count += run_commands(token.content)
            if not is_fence(token, "python"):
                continue
            count += 1
            line = token.map[0] + 1
            # Blank lines before it give the snippet the line numbers of the page.
            code = compile("\n" * line + token.content, str(page), "exec", dont_inherit=True)
            with contextlib.redirect_stdout(io.StringIO()) as printed:
                exec(code, vars(module))
            if is_fence(following, "text", "output"):
                assert printed.getvalue().rstrip() == following.content.rstrip(), f"printed by {page.name}:{line}"
    finally:
        del sys.modules[module.__name__]
    return count + run_tests()


def run_commands(text: str) -> int:
    """Run commands of ours and of Python's, and return how many there were."""
    commands = re.findall(r"^\$ (.+)\n((?:(?!\$ ).*\n)*)", text, re.MULTILINE)
    assert commands
    for command, output in commands:
        words = shlex.split(command)
        programs = {"spearmint": ["-m", "spearmint"], "python": []}
        done = subprocess.run(
            [sys.executable, *programs[words[0]], *words[1:]], capture_output=True, text=True, check=False, timeout=100
        )
        assert (done.stdout + done.stderr).replace(f"{Path.cwd()}/", "").rstrip() == output.rstrip(), command
    return len(commands)


def run_tests() -> int:
    """Run the files of tests that a page has written, and return how many there were."""
    files = sorted(Path.cwd().glob("test_*.py"))
    if files:
        command = [sys.executable, "-m", "pytest", *PLUGIN, "-p", "no:asyncio", "-p", "no:cacheprovider", "-Werror"]
        done = subprocess.run([*command, "."], capture_output=True, text=True, check=False, timeout=100)
        assert done.returncode == 0, done.stdout
    return len(files)


def is_fence(token, *languages):
    return token is not None and token.type == "fence" and token.info.strip() in languages


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_the_snippets_of_a_page_run_and_print_what_it_says(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    records.reset()  # Pages print counts, which begin with the process.
    run_page(page)


def written(tmp_path, text):
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    return page


def test_snippets_share_a_namespace_and_skip_other_languages(tmp_path):
    page = written(
        tmp_path, "```python\na = 1\n```\n\n```sh\nexit 1\n```\n\n* item\n\n  ```python\n  assert a == 1\n  ```\n"
    )
    assert run_page(page) == 2


def test_different_output_fails_with_the_place_of_its_snippet(tmp_path):
    page = written(tmp_path, "# Title\n\n```python\nprint(1)\n```\n\n```text\n2\n```\n")
    with pytest.raises(AssertionError, match=r"page\.md:3"):
        run_page(page)


def test_an_output_after_prose_belongs_to_no_snippet(tmp_path):
    assert run_page(written(tmp_path, "```python\nprint(1)\n```\n\nLater:\n\n```text\n2\n```\n")) == 1


def test_a_snippet_that_raises_fails_at_its_line_of_the_page(tmp_path):
    page = written(tmp_path, "Text\n\n```python\na = 1\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as caught:
        run_page(page)
    assert (caught.traceback[-1].path, caught.traceback[-1].lineno + 1) == (page, 5)


def test_commands_are_run_and_print_what_the_page_says(tmp_path):
    block = "```{{ .console .run }}\n$ python -c 'print(1)'\n1\n$ python -c 'print(2)'\n{}\n```\n"
    assert run_page(written(tmp_path, block.format("2"))) == 2
    with pytest.raises(AssertionError, match=r"print\(2\)"):
        run_page(written(tmp_path, block.format("3")))


def test_a_block_with_a_title_is_a_file_and_tests_in_it_are_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = '```python title="{}"\n{}\n```\n'
    assert run_page(written(tmp_path, text.format("lib/a.py", "1 / 0"))) == 0
    assert (tmp_path / "lib" / "a.py").read_text(encoding="utf-8") == "1 / 0\n"
    with pytest.raises(AssertionError, match="1 failed"):
        run_page(written(tmp_path, text.format("test_a.py", "def test_a(): assert False")))
