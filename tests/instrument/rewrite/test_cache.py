"""Rewritten code beside Python's own: what it is keyed by, and that nothing about it can fail an import."""

import importlib.util
import os
import py_compile
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from spearmint.discovery import calls_in_source
from spearmint.discovery.reach.table_store import table_store
from spearmint.instrument.rewrite import bytecode_rewrite, cache
from spearmint.instrument.rewrite import module_rewriter as rewriting
from spearmint.instrument.rewrite.cache import CachedModule, SourceStat, StoredTables, dump, key_of
from spearmint.instrument.rewrite.cache import load as load_kept

SOURCE = "def f(text='', boost=1):\n    return text + str(boost)\n\n\ndef g(boost=1):\n    return f(boost=boost)\n"
TAG = sys.implementation.cache_tag


@pytest.fixture
def rewrites(monkeypatch):
    """Count how often a module is parsed and rewritten, and how often call tables are built from a cache."""
    counts = {"tree": 0, "code": 0, "tables": 0}

    def counting(name, real):
        def count(*arguments, **options):
            counts[name] += 1
            return real(*arguments, **options)

        return count

    monkeypatch.setattr(rewriting, "rewrite_tree", counting("tree", rewriting.rewrite_tree))
    monkeypatch.setattr(bytecode_rewrite, "rewrite_code", counting("code", bytecode_rewrite.rewrite_code))
    monkeypatch.setattr(cache, "_tables", counting("tables", cache._tables))
    return counts


def load(project, name="cached"):
    return project.load(name)


def test_second_import_neither_parses_nor_extracts(project, rewrites):
    project.write({"cached.py": SOURCE})
    project.install("cached:f")
    load(project)
    cached = load(project)
    assert rewrites == {"tree": 1, "code": 0, "tables": 0}
    assert table_store.get("cached", cached.g.__code__) == [calls_in_source(SOURCE, "cached.py")["g"]]
    assert rewrites == {"tree": 1, "code": 0, "tables": 1}, "tables are built when one is asked for"
    assert cached.f() == "3"
    assert project.caches() == [f"cached.{TAG}.spearmint.pyc"]


def test_pythons_own_cache_is_neither_read_nor_written(project):
    project.write({"cached.py": SOURCE})
    load(project)
    own = Path(importlib.util.cache_from_source(str(project.folder / "cached.py")))
    before = own.read_bytes(), own.stat().st_mtime_ns
    del sys.modules["cached"]
    with project.install("cached:f"):
        assert load(project).f() == "3"
    assert (own.read_bytes(), own.stat().st_mtime_ns) == before
    assert load(project).f() == "1", "without the hook, no effect is left"


def test_other_source_within_the_same_second_is_rewritten(project, rewrites):
    project.write({"cached.py": SOURCE})
    path = project.folder / "cached.py"
    project.install("cached:f")
    assert load(project).f() == "3"
    found = path.stat()
    path.write_text(SOURCE.replace("return text", "return 'new'"))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1000))
    assert load(project).f() == "new3"
    assert rewrites["tree"] == 2


def test_other_source_of_one_size_differs_by_its_nanoseconds(project):
    project.write({"cached.py": SOURCE})
    path = project.folder / "cached.py"
    os.utime(path, ns=(10**18, 10**18))
    project.install("cached:f")
    assert load(project).f() == "3"
    path.write_text(SOURCE.replace("text + str(boost)", "str(boost) * 2 # "))
    assert path.stat().st_size == len(SOURCE)
    os.utime(path, ns=(10**18, 10**18 + 1))
    assert load(project).f() == "33"


def test_a_source_that_only_has_another_time_is_not_rewritten(project, rewrites):
    project.write({"cached.py": SOURCE})
    project.install("cached:f")
    load(project)
    os.utime(project.folder / "cached.py", (1, 1))
    assert load(project).f() == "3"
    assert rewrites["tree"] == 1


def test_settings_that_concern_the_module_are_part_of_the_key(project, rewrites):
    project.write({"cached.py": SOURCE, "other.py": SOURCE})
    with project.install("cached:f"):
        assert load(project).f() == "3"
    del sys.modules["cached"]
    with project.install("cached:g"):
        assert (load(project).f(), load(project).g()) == ("1", "3")
    assert rewrites["tree"] == 2


def test_settings_that_concern_other_modules_or_configs_are_not(project, rewrites):
    project.write({"cached.py": SOURCE, "other.py": SOURCE})
    with project.install("cached:f"):
        load(project)
    del sys.modules["cached"]
    changed = {"target": "cached:f", "configs": [{"n": 8}], "bindings": {"boost": "n"}, "strategy": "shadow"}
    with project.install(changed, "other:g"):
        assert load(project).f() == "8"
    assert rewrites["tree"] == 1


def test_another_rewriter_has_another_key(monkeypatch):
    key_of.cache_clear()
    first = key_of("digest")
    key_of.cache_clear()
    monkeypatch.setattr(cache, "REWRITER_VERSION", "another")
    assert key_of("digest") != first
    key_of.cache_clear()


@pytest.mark.slow
def test_levels_of_optimisation_have_files_of_their_own(project, run):
    project.write({"cached.py": 'def f(boost=1):\n    """Doc."""\n    assert boost < 2, boost\n    return f.__doc__\n'})
    program = """
        import spearmint
        spearmint.install({"experiments": [{"target": "cached:f", "configs": [{"b": 3}], "bindings": {"boost": "b"}}]})
        import cached
        try:
            print(cached.f())
        except AssertionError as error:
            print("assert", error)
    """
    expected = {"": "assert 3", "-O": "Doc.", "-OO": "None"}
    for flag in (*expected, *expected):
        done = run(*[flag for flag in [flag] if flag], source=program)
        assert (done.stdout.strip(), done.stderr) == (expected[flag], "")
    assert project.caches() == [
        f"cached.{TAG}.opt-1.spearmint.pyc",
        f"cached.{TAG}.opt-2.spearmint.pyc",
        f"cached.{TAG}.spearmint.pyc",
    ]


def test_a_prefix_for_caches_is_followed(project, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "pycache_prefix", str(tmp_path / "prefix"))
    project.write({"cached.py": SOURCE})
    project.install("cached:f")
    load(project)
    assert project.caches() == []
    assert [one.name for one in (tmp_path / "prefix").rglob("*.pyc")] == [f"cached.{TAG}.spearmint.pyc"]


def test_nothing_is_written_where_python_is_told_not_to(project, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    project.write({"cached.py": SOURCE})
    project.install("cached:f")
    assert load(project).f() == "3"
    assert list(project.folder.rglob("*.pyc")) == []


def test_a_folder_that_cannot_be_written_is_no_error(project):
    project.write({"cached.py": SOURCE})
    (project.folder / "__pycache__").write_text("a file where the folder would be")
    project.install("cached:f")
    assert load(project).f() == "3"
    assert load(project).f() == "3"


@pytest.mark.skipif(os.getuid() == 0, reason="root writes everywhere")
def test_a_folder_without_permission_is_no_error(project):
    project.write({"cached.py": SOURCE})
    project.folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        project.install("cached:f")
        assert load(project).f() == "3"
    finally:
        project.folder.chmod(stat.S_IRWXU)


@pytest.mark.parametrize("form", ["source", "pyc"])
@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[:-1],
        lambda data: data + b"x",
        lambda data: data[: len(data) // 2],
        lambda data: b"\0" * len(data),
        lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
        lambda data: b"\0\0\0\0" + data[4:],
        lambda data: data[:-40] + b"\xff" * 36 + data[-4:],
    ],
)
def test_a_damaged_file_is_written_anew(project, rewrites, spoil, form):
    project.write({"cached.py": SOURCE})
    project.pack(form)
    project.install("cached:f")
    load(project)
    (path,) = project.folder.rglob("*.spearmint.pyc")
    good = path.read_bytes()
    path.write_bytes(spoil(good))
    assert load(project).f() == "3"
    assert path.read_bytes() == good
    assert rewrites["tree"] + rewrites["code"] == 2
    load(project)
    assert rewrites["tree"] + rewrites["code"] == 2


def test_rewritten_code_without_source_is_cached_too(project, rewrites):
    project.write({"cached.py": SOURCE})
    project.pack("pyc")
    project.install("cached:f")
    assert [load(project).f() for _ in range(3)] == ["3"] * 3
    assert rewrites["code"] == 1
    assert project.caches() == [f"cached.{TAG}.spearmint.pyc"]
    project.write({"cached.py": SOURCE.replace("return text", "return 'new'")})
    path = project.folder / "cached.py"
    py_compile.compile(str(path), cfile=str(path.with_suffix(".pyc")), doraise=True)
    path.unlink()
    assert load(project).f() == "new3"
    assert rewrites["code"] == 2


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["always", "never", "default"])
def test_policy_for_hash_based_bytecode_leaves_the_cache_working(project, run, policy):
    project.write({"cached.py": SOURCE})
    program = """
        import spearmint
        spearmint.install({"experiments": [{"target": "cached:f", "configs": [{"b": 3}], "bindings": {"boost": "b"}}]})
        import cached
        print(cached.f())
    """
    for _ in range(2):
        done = run("--check-hash-based-pycs", policy, source=program)
        assert (done.stdout, done.stderr) == ("3\n", "")
    assert project.caches() == [f"cached.{TAG}.spearmint.pyc"]


@pytest.mark.slow
def test_processes_that_import_at_once_leave_one_whole_file(project, run, tmp_path):
    project.write({"cached.py": SOURCE})
    program = project.folder / "program.py"
    program.write_text(
        "import sys, spearmint\n"
        "settings = {'experiments': [{'target': 'cached:f', 'configs': [{'b': 3}], 'bindings': {'boost': 'b'}}]}\n"
        "spearmint.install(settings)\n"
        "sys.stdin.read()\n"
        "import cached\n"
        "print(cached.f())\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    started = [
        subprocess.Popen(
            [sys.executable, str(program)],
            cwd=project.folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
    ]
    for process in started:
        process.stdin.close()
    outputs = [process.stdout.read() for process in started]
    for process in started:
        process.stdout.close()
        assert process.wait(timeout=60) == 0
    assert outputs == ["3\n"] * 4
    assert [path.name for path in (project.folder / "__pycache__").glob("cached*")] == [f"cached.{TAG}.spearmint.pyc"]


def test_what_is_kept_is_loaded_only_for_the_same(tmp_path):
    code = compile(SOURCE, "f", "exec")
    kept = CachedModule(code, ("f",), calls_in_source(SOURCE, "f"))
    origin, path = tmp_path / "f.py", tmp_path / "f.spearmint.pyc"
    origin.write_bytes(b"source")
    stamp, key = SourceStat(5, 6), b"k" * 16
    path.write_bytes(dump(kept, b"source", stamp, key))

    def found(stamp=stamp, key=key):
        return load_kept(str(path), stamp, key, str(origin))

    assert (found().code, found().wrapped, dict(found().tables)) == (code, ("f",), dict(kept.tables))
    assert found(SourceStat(5, 7)) is None
    assert found(key=b"o" * 16) is None
    assert found(SourceStat(9, 6)) is not None
    origin.write_bytes(b"others")
    assert found(SourceStat(9, 6)) is None
    assert load_kept(str(tmp_path / "none"), stamp, key, str(origin)) is None


def test_a_folder_that_was_moved_is_compiled_anew(project, tmp_path, monkeypatch):
    project.write({"cached.py": SOURCE})
    project.install("cached:f")
    load(project)
    moved = tmp_path / "moved"
    project.folder.rename(moved)
    monkeypatch.setattr(sys, "path", [str(moved), *sys.path])
    assert load(project).f.__code__.co_filename == str(moved / "cached.py")


def test_stored_tables_are_built_once():
    made = []
    tables = StoredTables(lambda of: made.append(of) or {"f": 1}, 1)
    assert (list(tables), tables["f"], len(tables), made) == (["f"], 1, 1, [1])
