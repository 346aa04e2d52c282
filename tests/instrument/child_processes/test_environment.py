"""Processes that an instrumented program starts: told of the settings by the environment, and by nothing else."""

import json
import os
import sys
from pathlib import Path

import pytest

import spearmint
from spearmint.errors import SettingsError
from spearmint.instrument.child_processes.lazy_finder import CHILD_VARIABLE

pytestmark = pytest.mark.slow

ENTRY = {"target": "work:f", "configs": [{"k": 5}], "bindings": {"k": "k"}}
WORK = {"work.py": "def f(x, k=0):\n    return x, k\n"}
SUBPROCESS = """
    import json, subprocess, sys
    import spearmint
    spearmint.install("spearmint.yaml")
    code = "import sys, work; print(work.f(1), any('startup' in entry for entry in sys.path))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    print(done.stdout.strip(), done.stderr)
    nested = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {code!r}])"
    print(subprocess.run([sys.executable, "-c", nested], capture_output=True, text=True).stdout.strip())
"""
POOL = """
    import multiprocessing, sys
    from concurrent.futures import ProcessPoolExecutor
    import work

    def own(x, k=0):
        return x, k

    if __name__ == "__main__":
        for how in ("fork", "spawn", "forkserver"):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(how)) as pool:
                print(how, pool.submit(work.f, 1).result(), pool.submit(own, 1).result())
"""


def settings(*entries, **more):
    return json.dumps({"experiments": list(entries), **more})


@pytest.fixture(autouse=True)
def same_environment():
    names = (CHILD_VARIABLE, "PYTHONPATH")
    before = [os.environ.get(name) for name in names]
    yield
    assert [os.environ.get(name) for name in names] == before


def test_subprocesses_are_instrumented_without_a_trace_of_how(project, run):
    project.write({**WORK, "spearmint.yaml": settings(ENTRY, propagate_children=True)})
    done = run(source=SUBPROCESS)
    assert done.stdout.splitlines() == ["(1, 5) False ", "(1, 5) False"]


def test_without_the_setting_a_subprocess_is_as_ever(project, run):
    project.write({**WORK, "spearmint.yaml": settings(ENTRY)})
    assert run(source=SUBPROCESS).stdout.splitlines() == ["(1, 0) False ", "(1, 0) False"]


@pytest.mark.parametrize("form", [["program.py"], ["-m", "program"]])
def test_multiprocessing_workers_are_instrumented(project, run, form):
    own = {**ENTRY, "target": "program:own" if "-m" in form else "__main__:own"}
    project.write({**WORK, "spearmint.yaml": settings(ENTRY, own, propagate_children=True), "program.py": POOL})
    done = run("-m", "spearmint", "run", *form)
    assert done.stdout.splitlines() == [f"{how} (1, 5) (1, 5)" for how in ("fork", "spawn", "forkserver")]
    assert done.stderr == ""


def test_a_mapping_reaches_a_child_that_works_in_another_folder(project, run):
    project.write({**WORK, "k.yaml": "k: 7"})
    source = """
        import subprocess, sys
        import spearmint
        entry = {"target": "work:f", "configs": ["k.yaml"], "bindings": {"k": "k"}}
        entry["strategy"] = {"use": "shadow", "with": {"sample_rate": 0.0}}
        spearmint.install({"packages": ["work"], "experiments": [entry], "propagate_children": True})
        code = f"import sys; sys.path.insert(0, {sys.path[0]!r}); import work; print(work.f(1))"
        print(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd="/").stdout.strip())
    """
    assert run(source=source).stdout == "(1, 7)\n"


def test_a_sitecustomize_of_the_user_s_is_imported_as_ever(project, run):
    project.write({**WORK, "spearmint.yaml": settings(ENTRY, propagate_children=True)})
    project.write({"site/sitecustomize.py": "import builtins; builtins.seen = __file__"})
    source = """
        import os, subprocess, sys
        os.environ["PYTHONPATH"] = os.path.abspath("site") + os.pathsep + os.environ["PYTHONPATH"]
        import spearmint
        spearmint.install("spearmint.yaml")
        code = "import os, sys, work; print(os.path.basename(os.path.dirname(seen)), work.f(1))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        print(done.stdout.strip(), done.stderr)
    """
    assert run(source=source).stdout == "site (1, 5) \n"


def test_a_child_whose_settings_are_gone_says_so_and_runs(project, run):
    project.write({**WORK, "spearmint.yaml": settings(ENTRY, propagate_children=True)})
    source = """
        import os, subprocess, sys
        import spearmint
        spearmint.install("spearmint.yaml")
        os.remove("spearmint.yaml")
        done = subprocess.run([sys.executable, "-c", "import work; print(work.f(1))"], capture_output=True, text=True)
        print(done.returncode, done.stdout.strip())
        print(done.stderr.splitlines()[1].split(": ")[0], "No such file" in done.stderr)
    """
    assert run(source=source).stdout.splitlines() == ["0 (1, 0)", "SettingsError True"]


def test_a_python_without_spearmint_is_left_alone(project, run):
    project.write({**WORK, "spearmint.yaml": settings(ENTRY, propagate_children=True)})
    source = """
        import os, subprocess, sys
        import spearmint
        spearmint.install("spearmint.yaml")
        startup = {**os.environ, "PYTHONPATH": os.environ["PYTHONPATH"].split(os.pathsep)[0]}
        for options in (["-S", "-c", "import sitecustomize; print(1)"], ["-I", "-c", "print(2)"]):
            done = subprocess.run([sys.executable, *options], env=startup, capture_output=True, text=True)
            print(done.returncode, done.stdout.strip(), done.stderr)
    """
    assert run(source=source).stdout.splitlines() == ["0 1 ", "0 2 "]


def test_uninstalling_takes_the_environment_back(project, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", "mine")
    before = dict(os.environ)
    with spearmint.install({"experiments": [ENTRY], "propagate_children": True}):
        first, second = os.environ["PYTHONPATH"].split(os.pathsep)
        assert (Path(first) / "sitecustomize.py").is_file()
        assert second == "mine"
        assert json.loads(os.environ[CHILD_VARIABLE])[1][0]["experiments"] == [
            {"target": "work:f", "configs": [{"k": 5}], "bindings": {"k": {"path": "k"}}}
        ]
    assert dict(os.environ) == before


def test_installations_are_taken_back_in_any_order(project):
    first = spearmint.install({"experiments": [ENTRY], "propagate_children": True})
    with spearmint.install({"experiments": [{**ENTRY, "target": "other:f"}], "propagate_children": True}):
        first.uninstall()
        assert json.loads(os.environ[CHILD_VARIABLE])[0] == ["other"]


def test_settings_that_hold_an_object_refuse_children(project):
    was_loaded = "spearmint.instrument.child_bootstrap" in sys.modules  # as by the collection of doctests
    for odd in ({"strategy": lambda configs: (configs[0], ())}, {"configs": [object()]}):
        with pytest.raises(SettingsError, match=r"^propagate_children: Cannot tell child processes the settings: "):
            spearmint.install({"experiments": [{**ENTRY, **odd}], "propagate_children": True})
    assert CHILD_VARIABLE not in os.environ
    assert ("spearmint.instrument.child_bootstrap" in sys.modules) is was_loaded


def test_child_that_imports_no_target_reads_no_settings(project, run):
    project.write({**WORK, "spearmint.yaml": settings(ENTRY, propagate_children=True)})
    source = """
        import subprocess, sys
        import spearmint
        spearmint.install("spearmint.yaml")
        code = "import json, sys; print([name for name in ('pydantic', 'spearmint.api') if name in sys.modules])"
        for more in ("", "; import work; print(work.f(1), 'pydantic' in sys.modules)"):
            done = subprocess.run([sys.executable, "-c", code + more], capture_output=True, text=True)
            print(done.stdout.strip(), done.stderr)
    """
    assert run(source=source).stdout.splitlines() == ["[] ", "[]", "(1, 5) True "]


def test_uninstalling_in_a_child_stops_its_waiting_too(project, run):
    project.write({**WORK, "spearmint.yaml": settings(ENTRY, propagate_children=True)})
    source = """
        import subprocess, sys
        import spearmint
        spearmint.install("spearmint.yaml")
        code = "import spearmint; spearmint.uninstall(); import work; print(work.f(1))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        print(done.stdout.strip(), done.stderr)
    """
    assert run(source=source).stdout == "(1, 0) \n"


def test_module_imported_before_the_child_installs_is_wrapped(project, run):
    project.write({**WORK, "spearmint.yaml": settings(ENTRY, propagate_children=True)})
    project.write({"site/sitecustomize.py": "import work\nkept = work.f\n"})
    source = """
        import os, subprocess, sys
        import spearmint
        spearmint.install("spearmint.yaml")
        folders = [os.path.abspath("site"), os.getcwd(), os.environ["PYTHONPATH"]]
        startup, *others = folders[2].split(os.pathsep)
        os.environ["PYTHONPATH"] = os.pathsep.join([startup, *folders[:2], *others])
        code = "import work, sitecustomize; print(work.f(1), sitecustomize.kept(1))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        print(done.stdout.strip())
        print(done.stderr.strip())
    """
    plain, told = run(source=source).stdout.splitlines()[:2]
    assert plain == "(1, 5) (1, 0)"
    assert "Modules were imported before spearmint.install(): work." in told
