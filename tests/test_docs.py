"""The documentation is whole: every page can be reached, and every public name is in the reference."""

import re
from pathlib import Path
from textwrap import dedent

import pytest
import yaml

import spearmint
from spearmint import config, errors
from spearmint.strategies import builtin as strategies
from spearmint.testing import overrides as testing

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"


def pages_in(nav):
    for entry in nav if isinstance(nav, list) else nav.values():
        if isinstance(entry, str):
            yield entry
        else:
            yield from pages_in(entry)


def nav():
    # Without the tags that name MkDocs' own functions, there are none.
    return yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]


def test_every_page_stands_in_the_navigation_once():
    written = sorted(page.relative_to(DOCS).as_posix() for page in DOCS.glob("**/*.md"))
    assert sorted(pages_in(nav())) == written


@pytest.mark.parametrize("folder", ["how-to", "reference", "explanation", "contributing", "contributing/decisions"])
def test_the_page_of_a_part_leads_to_all_its_pages(folder):
    index = (DOCS / folder / "index.md").read_text(encoding="utf-8")
    missing = [page.name for page in (DOCS / folder).glob("*.md") if page.name != "index.md" and page.name not in index]
    assert missing == []


def test_words_are_explained_once_and_used():
    text = (DOCS / "index.md").read_text(encoding="utf-8").partition("## Words")[2]
    words = re.findall(r"^\| (?!word)([a-z ]+) \|", text, re.MULTILINE)
    assert {"experiment", "config", "main", "variant", "case", "plan"} <= set(words)
    assert len(words) == len(set(words)) >= 18
    pages = " ".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*/**/*.md")).lower()
    unused = [word for word in words if word.removeprefix("to ") not in pages]
    assert unused == []


def test_contributing_names_files_that_exist():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"[`(]((?:spearmint|tests|docs|benchmarks)/[\w/.-]+)", text)
    assert len(named) > 15
    assert [path for path in named if "NAME" not in path and not (ROOT / path).exists()] == []


def public_names():
    yield from spearmint.__all__
    yield from config.__all__
    yield from (name for name in vars(strategies) if name.endswith("Strategy"))
    yield from (
        name
        for name, value in vars(testing).items()
        if getattr(value, "__module__", "") == testing.__name__ and name[0] != "_"
    )
    if "spearmint.errors" not in (DOCS / "reference" / "errors.md").read_text(encoding="utf-8"):
        yield from errors.__all__


def test_every_public_name_is_in_the_reference():
    told = [
        line.removeprefix(":::").strip().rpartition(".")[2]
        for page in (DOCS / "reference").glob("*.md")
        for line in page.read_text(encoding="utf-8").splitlines()
        if line.startswith(":::")
    ]
    assert sorted(set(public_names()) - set(told)) == []


def test_errors_page_draws_the_tree_of_the_module():
    tree = dedent(errors.__doc__.partition("::\n")[2]).strip("\n")
    assert f"```text\n{tree}\n```" in (DOCS / "reference" / "errors.md").read_text(encoding="utf-8")


def test_readme_has_the_two_commands_of_the_gate():
    # The gate runs README's `sh` blocks as they stand: one for the main job, one for the tests.
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = re.findall(r"^```sh *\n(.*?)^``` *$", readme, re.DOTALL | re.MULTILINE)
    assert [command.rpartition("python ")[2].strip() for command in commands] == [
        "examples/rag_service/main.py",
        "-m pytest -n 2",
    ]
