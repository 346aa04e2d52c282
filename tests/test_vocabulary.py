"""Names: retired words stay out of the package, a public name stands for one thing, names of tests are short."""

import ast
import re
from collections import defaultdict
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / "spearmint"
LONGEST_NAME = 60  # of a test
TEST_FUNCTION = re.compile(r"^\s*(?:async )?def (test_\w+)", re.MULTILINE)

# Whole words, in code, comments and docstrings; with the term that is used instead.
RETIRED = {
    "Outlook look_out outlook": "Reachability, find_reachable",
    "Way WayKind find_place": "Edge, EdgeKind, locate",
    "Reached parts_of": "ExperimentRef, plan_nodes",
    "lessons learned foreseen unforeseen foresees foresaw": "revision, dynamic, discovered, undiscovered",
    "is_gone Carrier carriers carrier": "is_unreachable, ProxyBase, proxies",
    "ready_by_class lone_cases keep_ready keep_lone": "cached_case_by_class, cached_cases, cache_case",
    "Memory note_kept AstrayCase": "CallState, track, DetachedCase",
    "plain_option option_of strange_choice failed_choice": "default_binding, find_bound_config, strategy_error",
    "is_bulky job_for_all": "is_large, batch_job",
    "Background hopeless closers _begin_again Deadlines": "VariantPool, exit_callbacks, Watchdog",
    "abroad preparations own_loop": "worker_initializers, event_loop",
    "Camera Masker Worker Pace hurried": "Snapshotter, Redactor, TraceExporter, Throttle",
    "Marks toml_marks Ledger ledger": "PositionMap, toml_positions, ResultTable",
    "Parcel Shipment run_shipped Ran": "EvaluationPayload, RemoteSubmitter, run_remote_cells, ChunkResult",
    "Glance leave_tables tables_at Watches in_package_of": "ScanResult, put, get, Dependencies, same_project_filter",
    "refuse_unmatched left_alone dead_bindings each_of raise_all": "verify_targets, skipped, unresolvable_bindings",
    "Repeated Kept Stamp": "LocalFunctionCache, CachedModule, SourceStat",
    "Whoever whoever Somebody somebody Nobody nobody Anybody anybody": "the actor: the caller, a thread, other code",
}


def test_retired_words_stay_out_of_the_package():
    terms = {word: term for words, term in RETIRED.items() for word in words.split()}
    pattern = re.compile(rf"\b({'|'.join(terms)})\b")
    found = [
        f"{path.relative_to(PACKAGE)}:{number}: {word}, now {terms[word]}"
        for path in sorted(PACKAGE.rglob("*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        for word in pattern.findall(line)
    ]
    assert not found, "\n".join(found)


def public_names(source: str) -> set[str]:
    """Give the public names that a module defines; type variables and its logger do not count."""
    found = set()
    for node in ast.parse(source).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
            case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec"))):
                pass
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                found.add(name)
    return {name for name in found if not name.startswith("_") and name != "logger"}


def test_no_public_name_is_defined_in_two_modules():
    modules = defaultdict(list)
    for path in sorted(PACKAGE.rglob("*.py")):
        for name in public_names(path.read_text("utf-8")):
            modules[name].append(str(path.relative_to(PACKAGE)))
    assert {name: held for name, held in modules.items() if len(held) > 1} == {}
    assert len(modules) > 300


def test_names_of_tests_have_at_most_60_characters():
    paths = [path for room in ("tests", "spearmint", "examples") for path in (PACKAGE.parent / room).rglob("*.py")]
    names = [(path, found[1]) for path in paths for found in TEST_FUNCTION.finditer(path.read_text(encoding="utf-8"))]
    assert len(names) > 1000
    too_long = [f"{path.relative_to(PACKAGE.parent)}: {name}" for path, name in names if len(name) > LONGEST_NAME]
    assert not too_long, "\n".join(too_long)
