"""Imports go down the floors, every module has a floor, and none grows beyond one idea.

Imports are read from the syntax tree, wherever they stand: at the top, in a function, under ``TYPE_CHECKING``, or as a
literal name handed to ``importlib.import_module`` or ``__import__``.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "spearmint"
LONGEST_MODULE = 320

# The house, bottom first: floor, module or folder and, for a folder, its modules. A module imports lower floors and, on
# its own floor or inside its folder, what is listed before it. A folder's __init__ is listed last without saying so.
HOUSE = (
    (0, "errors", ""),
    # Beyond the architecture's list: what carries the model, the sources and the binding, each before what it carries.
    # Expansion comes early, as !sweep in a file is a DynamicValue.
    (1, "config", "canonical model expansion yaml_loader files sources isolation binding annotations parameters"),
    # What both readers use, then each reader after what it alone stands on.
    (
        1,
        "discovery",
        (
            "calls values collecting versions constants scopes expressions statements from_ast "
            "opcodes stack steps flow from_bytecode known bodies glance lookup users watches resolving graph"
        ),
    ),
    # A plan tells its ways, and the running case is a case.
    (2, "ways", ""),
    (2, "cases", ""),
    (2, "plans", ""),
    (2, "context", ""),
    (2, "results", ""),
    (2, "strategies", ""),
    (2, "checks", ""),
    (3, "settings", ""),
    (3, "functions", ""),
    (3, "memory", ""),
    (3, "registry", ""),
    # Reaching is opened when an outlook is first asked for, and the plan stands on both.
    (3, "outlook", ""),
    (3, "reaching", ""),
    (3, "planning", ""),
    (3, "propagation", ""),
    # What a caller pays for comes last; presence, stores, live and mlflow know MLflow, and the last three import it.
    (
        3,
        "tracing",
        (
            "masking options snapshots rendering records comparing describing presence databases stores mlflow live "
            "opening pace worker recorder reading"
        ),
    ),
    # The drivers submit to background, which minds the deadlines; own_loop serves async runs that have no loop.
    (4, "execution", "abroad deadlines limits account background steps streams threads asyncio own_loop"),
    (5, "calling", ""),
    (5, "proxy", ""),
    (6, "runner", ""),
    # Below what users call, since `Spearmint.evaluate` opens it.
    (
        6,
        "evaluation",
        (
            "statistics dataset arguments scorers cases traces cells dispatch ledger journal shipping progress "
            "summary table scales charts page report tracking gate evaluate"
        ),
    ),
    (6, "api", ""),
    (7, "integrations", "asgi"),
    (7, "testing", ""),
    # What the settings say, then what is done about it.
    (
        7,
        "instrument",
        (
            "patterns strategy_names settings places problems toml_places reading targets annotated repeated "
            "declarations rewritten ast_rewrite bytecode_rewrite entry collector cache rewriting loaders finder "
            "in_place installation hook early waiting children install scripts notebook child startup.sitecustomize"
        ),
    ),
    (7, "cleaning", ""),
    (8, "__init__", ""),
    (9, "cli", "launch output modules checking program drawing run check graph configs completion traces evaluate"),
    (9, "pytest_plugin", ""),
    (9, "__main__", ""),
)


def places() -> dict[str, tuple[int, int, int]]:
    """Give each module its place: floor, position on the list, position inside its folder."""
    found = {}
    for position, (floor, name, members) in enumerate(HOUSE):
        for inner, member in enumerate([*members.split(), "__init__"] if members else [""]):
            found[".".join(part for part in (PACKAGE, name, member) if part)] = (floor, position, inner)
    return found


PLACES = places()


def module_name(path: str) -> str:
    """``spearmint/config/model.py`` is ``spearmint.config.model``; a package is named by its ``__init__``."""
    return path.removesuffix(".py").replace("/", ".")


def violations(files: dict[str, str]) -> list[str]:
    """Say what is wrong with a package, given as source by path."""
    names = {module_name(path) for path in files} | set(PLACES)
    found = []
    for path, source in files.items():
        lines = source.count("\n")
        if lines > LONGEST_MODULE:
            found.append(f"{path}: {lines} lines are more than {LONGEST_MODULE}; it holds two ideas")
        name = module_name(path)
        if name not in PLACES:
            found.append(f"{path}: has no floor; give it one in tests/test_architecture.py")
            continue
        for line, imported in imports(ast.parse(source, path), names):
            if problem := against_the_house(name, imported):
                found.append(f"{path}:{line} imports {imported}: {problem}")
    return found


def against_the_house(importer: str, imported: str) -> str | None:
    if imported.startswith("."):
        return "relative; write the whole name"
    if imported not in PLACES:
        return "it has no floor"
    own, other = PLACES[importer], PLACES[imported]
    if other < own:
        return None
    listed = ", where it is not listed before" if other[0] == own[0] else ""
    return f"floor {own[0]} may not import floor {other[0]}{listed}"


def imports(tree: ast.Module, names: set[str]) -> Iterator[tuple[int, str]]:
    """Yield line and module of each import of ours; relative ones begin with their dots."""
    for node in ast.walk(tree):
        for target in targets(node, names):
            if target.startswith(".") or target.split(".")[0] == PACKAGE:
                yield node.lineno, target


def targets(node: ast.AST, names: set[str]) -> Iterator[str]:
    match node:
        case ast.ImportFrom(level=level, module=module) if level:
            yield "." * level + (module or "")
        case ast.ImportFrom(module=module, names=aliases):
            # What is imported is a module if there is one of that name, otherwise something in its parent.
            yield from {resolved(f"{module}.{alias.name}", names) or owner(module, names) for alias in aliases}
        case ast.Import(names=aliases):
            for alias in aliases:
                yield owner(alias.name, names)
                if alias.asname is None and "." in alias.name:
                    yield owner(alias.name.split(".")[0], names)  # the name that it binds
        case ast.Call(
            func=ast.Name(id="import_module" | "__import__") | ast.Attribute(attr="import_module" | "__import__"),
            args=[ast.Constant(value=str() as name), *_],
        ):
            yield owner(name, names)


def resolved(name: str, names: set[str]) -> str | None:
    return next((known for known in (name, f"{name}.__init__") if known in names), None)


def owner(name: str, names: set[str]) -> str:
    return resolved(name, names) or name


def test_every_import_of_the_package_goes_down():
    files = {
        path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((ROOT / PACKAGE).glob("**/*.py"))
    }
    assert files
    assert violations(files) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("spearmint/api.py", "from spearmint.config import Bind\nfrom spearmint import errors, proxy"),
        ("spearmint/api.py", "import spearmint.proxy.proxy as p"),
        (
            "spearmint/config/binding.py",
            "from spearmint.config import canonical\nfrom spearmint.config.model import Config",
        ),
        ("spearmint/config/__init__.py", "from spearmint.config.binding import Bind"),
        ("spearmint/results.py", "import asyncio, spearmints\nfrom spearmint.cases import ExperimentCase"),
        ("spearmint/__init__.py", "import importlib\nimportlib.import_module('spearmint.api')"),
        ("spearmint/cli/run.py", "from spearmint import Spearmint"),
    ],
)
def test_an_import_that_goes_down_is_fine(path, source):
    assert violations({path: source}) == []


@pytest.mark.parametrize(
    ("path", "source", "problem"),
    [
        (
            "spearmint/errors.py",
            "import json\nfrom spearmint.api import run",
            "spearmint/errors.py:2 imports spearmint.api: floor 0 may not import floor 6",
        ),
        ("spearmint/errors.py", "def f():\n    import spearmint.api as a", ":2 imports spearmint.api: floor 0 may not"),
        (
            "spearmint/context/current.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from spearmint import proxy",
            ":3 imports spearmint.proxy.proxy: floor 2 may not import floor 5",
        ),
        (
            "spearmint/config/model.py",
            "from spearmint.config.sources import parse_configs",
            ":1 imports spearmint.config.sources: floor 1 may not import floor 1, where it is not listed before",
        ),
        (
            "spearmint/config/model.py",
            "from spearmint.config import Config",
            "imports spearmint.config.__init__: floor 1",
        ),
        ("spearmint/config/model.py", "from spearmint.config import *", "imports spearmint.config.__init__: floor 1"),
        ("spearmint/config/model.py", "from spearmint import errors, Config", "imports spearmint.__init__: floor 1"),
        (
            "spearmint/cases/case.py",
            "from spearmint.results import x",
            "floor 2 may not import floor 2, where it is not",
        ),
        ("spearmint/api.py", "import spearmint", "imports spearmint.__init__: floor 6 may not import floor 8"),
        ("spearmint/api.py", "import spearmint.errors", "imports spearmint.__init__: floor 6 may not import floor 8"),
        ("spearmint/proxy/proxy.py", "from . import errors", ":1 imports .: relative; write the whole name"),
        ("spearmint/config/model.py", "from ..api import run", "imports ..api: relative; write the whole name"),
        (
            "spearmint/proxy/proxy.py",
            "from importlib import import_module as i\n__import__('spearmint.api')",
            ":2 imports",
        ),
        (
            "spearmint/proxy/proxy.py",
            "import importlib\nimportlib.import_module('.api', __package__)",
            "imports .api: relative",
        ),
        ("spearmint/proxy/proxy.py", "from spearmint.attic import x", "imports spearmint.attic: it has no floor"),
        ("spearmint/attic.py", "", "spearmint/attic.py: has no floor"),
        ("spearmint/config/attic.py", "", "spearmint/config/attic.py: has no floor"),
        ("spearmint/cli/attic/run.py", "", "spearmint/cli/attic/run.py: has no floor"),
        ("spearmint/errors.py", "a = 1\n" * 321, "spearmint/errors.py: 321 lines are more than 320"),
    ],
)
def test_an_import_that_goes_up_and_a_module_without_a_place_are_told(path, source, problem):
    found = violations({path: source})
    assert len(found) == 1
    assert problem in found[0]
