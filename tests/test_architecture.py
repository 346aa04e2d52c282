"""Imports go down the floors, every module has a floor, and none grows beyond one idea.

Imports are read from the syntax tree, wherever they stand: at the top, in a function, under ``TYPE_CHECKING``, or as a
literal name handed to ``importlib.import_module`` or ``__import__``.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "spearmint"
LONGEST_MODULE = 320

# The house, bottom first: floor, room and, for a folder, what it holds, each before what imports it. A room may stand
# inside another (``discovery/reach``). A module imports lower floors and, on its own floor or inside its
# room, what is listed before it. A room's ``__init__`` comes after all that stands in it.
HOUSE = (
    (0, "errors", ""),
    (0, "suggest", ""),
    (0, "frames", ""),
    (0, "untraced", ""),
    (0, "native", ""),
    (0, "latch", ""),
    (0, "secret_forms", ""),
    (0, "redaction", ""),
    (0, "warn", ""),
    (0, "render", ""),
    (0, "signatures", ""),
    (0, "giving_way", ""),
    (0, "import_path", ""),
    (0, "imports_under_way", ""),
    (0, "process_options", ""),
    (0, "scorers", ""),
    (1, "config", "flatten canonical model paths id_template sweep expansion"),
    (1, "config", "located file_access included_files yaml_loader json_loader files memory_limit sources"),
    (1, "config", "copying binding injected annotations signature"),
    (1, "discovery", "call_table abstract_values table_builder cpython"),
    (1, "discovery.source", "constant_folding scopes expressions statements extract"),
    (1, "discovery.bytecode", "opcodes symbolic_stack stack_effects interpreter extract"),
    (
        1,
        "discovery.reach",
        "table_store function_body fast_scan static_lookup user_code dependencies name_resolution call_graph",
    ),
    (1, "discovery.reach", "code_digest code_version"),
    (1, "statistics", "multiple intervals paired sign_test clusters repeats confidence_set winner agreement"),
    (1, "statistics", "sequential power sample_ratio unpaired regression_adjustment looks betting surrogate"),
    (1, "statistics", "harm thompson inverse_propensity weighted_looks"),
    (1, "assignment", "hashing targeting layers shares stages"),
    (2, "cases", "bound_config edge versions varying parameters render join_log case detached_case plan"),
    (2, "strategies", "split_inputs split bandit builtin by_name"),
    (3, "context", "current threads"),
    (3, "results", ""),
    (3, "registry", "callables settings state declared pin plain_calls binding_watch failure_log experiment value"),
    (3, "registry", "forced switches later registry changes unread_keys"),
    (4, "planning", "value_slots capture forcing reachability search choose select join unread"),
    # What a caller pays for comes last.
    (4, "tracing", "options snapshot serialize span equality marks attributes"),
    (4, "tracing.mlflow", "token_usage model_catalog state"),
    (4, "tracing", "trace_feedback"),
    (4, "tracing.mlflow", "concurrently trace_rows batch_insert experiment_ids server_store stores"),
    (4, "tracing.mlflow", "readable writer feedback_writer live_span search"),
    (4, "tracing", "live_mode throttle at_exit export_queue exporter sampling recorder feedback"),
    (
        4,
        "online",
        "options journal sinks account writer tokens exposures scoring stream_exposures shadow_pairs outcomes",
    ),
    (4, "online", "rollout file_lock switch_rules state_file journal_tail unit_table guards bandit_weights"),
    (4, "online", "decisions decider stages steering"),
    (4, "online", "fingerprints file_events reload"),
    (
        5,
        "execution",
        "worker_initializers watchdog limits jobs call_metrics otel_metrics job_tracker workers pool",
    ),
    (5, "execution", "running streams event_loop score_jobs invoke"),
    (5, "execution", "value_reads call batch loop_lag task_queue thread_driver task_driver"),
    (6, "proxy", "call_arguments call_source codegen perform by_value proxy runner"),
    (7, "evaluation", "directions agreement usage cost spending budget limits traced_rows dataset pairwise race"),
    (
        7,
        "evaluation.sharing",
        "account clock exact_key copies step_case row_memo shared_steps step_call step_streams cell_steps sharing",
    ),
    (7, "evaluation.run", "row_arguments case_names scorer_trace stored_output local_pool usage_meter"),
    (7, "evaluation", "marks"),
    (
        7,
        "evaluation.run",
        "cell_text faults controller attempts cell cell_scores cell_run judging chunk dispatcher result_table",
    ),
    (7, "evaluation.run", "identity journal store_database store resume options remote process_pool progress"),
    (7, "evaluation.run", "race_cells budget_cells pair_cells schedule"),
    (
        7,
        "evaluation.report",
        "labels row_values raced summary best effects files saved_run table scales charts markdown parallel",
    ),
    (7, "evaluation.report", "advice row_parts row_table whole_outputs page page_files"),
    (7, "evaluation.report", "report gate compare ci_files"),
    (7, "evaluation.report", "estimate"),
    (7, "evaluation", "tracking evaluate store_upkeep rescoring"),
    (7, "evaluation.search", "space studies proposals batches result search"),
    (7, "evaluation.online", "journal_table record_groups metric unit_statistics weighted_statistics"),
    (7, "evaluation.online", "measured_spread accounts comparison health facts"),
    (7, "evaluation.online", "online_table online_charts online_page online_report online_gate online_tracking"),
    (8, "option_types", ""),
    (8, "process", ""),
    (8, "config_files", ""),
    (8, "searches", ""),
    (8, "api", ""),
    (9, "instrument.settings", "target value_target model origin validation_errors entry_errors load changes"),
    (9, "instrument.rewrite", "result read_marks cache"),
    (9, "instrument.naming", "static_modules missing bound_values bound_names public_path import_paths"),
    (9, "instrument.settings", "matching"),
    (
        9,
        "instrument.rewrite",
        "ast_rewrite interpolations bytecode_rewrite literals value_links value_question value_paths value_rewrite",
    ),
    (9, "instrument.rewrite", "binding_calls"),
    (9, "instrument.rewrite", "injected gc_pause module_rewriter"),
    (
        9,
        "instrument.declare",
        "account kept_experiments annotated local_functions instances declarations value_originals value_readings",
    ),
    (9, "instrument.declare", "value_declarations"),
    (9, "instrument.importing", "loaders foreign_loaders refusals finder"),
    (9, "instrument.declare", "patch_module"),
    (9, "instrument.importing", "installation already_imported hook main_module"),
    (9, "instrument.child_processes", "python_command lazy_finder autostart unreachable environment"),
    (9, "instrument", "report process_settings reload_source handle install child_bootstrap"),
    (9, "instrument.child_processes.startup", "sitecustomize"),
    (9, "instrument.values", "static_values candidates suggestions"),
    (9, "instrument.check", "splits module_definitions unread_configs reachable_reads values checker"),
    (9, "testing", "overrides isolation"),
    (10, "integrations", "asgi ipython openfeature"),
    (10, "ui", "guard journal_view evaluations run_table stage_view server"),
    (10, "__init__", ""),
    (11, "cli", "launch output targets assign run_program graph_render run autostart"),
    (11, "cli", "journal_folder check graph init configs completion plan stage traces"),
    (11, "cli", "gates options spending executor compare evaluate search rescore store report ui"),
    (11, "pytest_plugin", ""),
    (11, "__pyinstaller", "hook-spearmint"),
    (11, "__main__", ""),
)


def places() -> dict[str, tuple[int, int, int]]:
    """Give each module its place: floor, position on the list, position inside its room.

    The ``__init__`` of a room comes after all that stands in the room, rooms within it included.
    """
    found = {}
    for position, (floor, room, members) in enumerate(HOUSE):
        for inner, member in enumerate(members.split() or [""]):
            found[".".join(part for part in (PACKAGE, room, member) if part)] = (floor, position, inner)
        outer = room if members else room.rpartition(".")[0]
        while outer:
            found[f"{PACKAGE}.{outer}.__init__"] = (floor, position, len(members.split()))
            outer = outer.rpartition(".")[0]
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


@pytest.mark.slow
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
        ("spearmint/api.py", "from spearmint.config import Bind\nfrom spearmint import errors, results"),
        ("spearmint/api.py", "import spearmint.proxy.proxy as p"),
        (
            "spearmint/config/binding.py",
            "from spearmint.config import canonical\nfrom spearmint.config.model import Config",
        ),
        ("spearmint/config/__init__.py", "from spearmint.config.binding import Bind"),
        ("spearmint/results.py", "import asyncio, spearmints\nfrom spearmint.cases.case import ExperimentCase"),
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
            "spearmint/errors.py:2 imports spearmint.api: floor 0 may not import floor 8",
        ),
        ("spearmint/errors.py", "def f():\n    import spearmint.api as a", ":2 imports spearmint.api: floor 0 may not"),
        (
            "spearmint/context/current.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from spearmint.proxy import proxy",
            ":3 imports spearmint.proxy.proxy: floor 3 may not import floor 6",
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
            "from spearmint.cases.plan import x",
            "floor 2 may not import floor 2, where it is not",
        ),
        ("spearmint/api.py", "import spearmint", "imports spearmint.__init__: floor 8 may not import floor 10"),
        ("spearmint/api.py", "import spearmint.errors", "imports spearmint.__init__: floor 8 may not import floor 10"),
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
def test_import_going_up_and_module_without_room_are_reported(path, source, problem):
    found = violations({path: source})
    assert len(found) == 1
    assert problem in found[0]


# -- The page that leads maintainers through the house ---------------------------------------------------------------

ARCHITECTURE = ROOT / "docs" / "contributing" / "architecture.md"
ROOMS = sorted({room for _, room, _ in HOUSE})


def test_page_has_a_paragraph_for_each_room():
    text = ARCHITECTURE.read_text(encoding="utf-8")
    missing = [room for room in ROOMS if f"**`{room}`**" not in text]
    assert not missing, f"{ARCHITECTURE.relative_to(ROOT)} has no paragraph on {missing}"


def bound_names(body: list[ast.stmt]) -> dict[str, list[ast.stmt]]:
    """Give the names that statements bind, each with the body in which further names of it are bound."""
    found: dict[str, list[ast.stmt]] = {}
    for node in body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found[name] = []
            case ast.ClassDef(name=name, body=inner):
                found[name] = inner
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found[name] = []
    return found


def exists(dotted: str) -> bool:
    """Tell whether a dotted path below the package names a room, a module, or what one binds. Nothing is imported."""
    path, rest = ROOT / PACKAGE, dotted.split(".")
    while rest and (path / rest[0]).is_dir():
        path /= rest.pop(0)
    if rest and (path / f"{rest[0]}.py").is_file():
        module = path / f"{rest.pop(0)}.py"
        body = ast.parse(module.read_text(encoding="utf-8")).body
        while rest and rest[0] in (names := bound_names(body)):
            body = names[rest.pop(0)]
    return not rest


def test_pages_for_maintainers_name_what_exists():
    text = "".join(page.read_text(encoding="utf-8") for page in ARCHITECTURE.parent.rglob("*.md"))
    rooms = {room.partition(".")[0] for room in ROOMS}
    dotted = re.findall(r"`(?:spearmint\.)?([a-z_]+(?:\.\w+)+)`", text)
    named = {name for name in dotted if name.partition(".")[0] in rooms}
    assert len(named) > 50
    assert sorted(name for name in named if not exists(name)) == []


@pytest.mark.parametrize("name", ["planning.attic", "planning.select.attic", "api.Spearmint.attic", "planning.attic.f"])
def test_name_that_is_gone_is_found(name):
    assert not exists(name)


# -- The tests mirror the house ---------------------------------------------------------------------------------------

TESTS = ROOT / "tests"
# Suites that go through many rooms, and suites of what stands beside the package.
CROSS_CUTTING = {"behaviour", "examples", "faults", "typing"}
BESIDE_THE_PACKAGE = {"architecture", "docs", "docs_snippets", "package", "suite", "typing", "vocabulary"}


def _subjects(folder):
    """Give the names that suites of a folder may have: its room, and what stands in that at any depth."""
    room = ROOT / "spearmint" / folder
    if not folder.parts:
        return BESIDE_THE_PACKAGE | {path.stem for path in room.glob("*.py")}
    return {path.stem for path in (room, *room.rglob("*")) if path.exists()}


def test_suites_are_named_after_what_they_test():
    misplaced = []
    for path in TESTS.rglob("test_*.py"):
        folder, subject = path.parent.relative_to(TESTS), path.stem.removeprefix("test_")
        named = any(f"{subject}_".startswith(f"{name}_") for name in _subjects(folder))
        if not named and CROSS_CUTTING.isdisjoint(folder.parts):
            misplaced.append(f"{path.relative_to(ROOT)}: spearmint/{folder} holds nothing of that name")
    assert not misplaced, "\n".join(misplaced)
