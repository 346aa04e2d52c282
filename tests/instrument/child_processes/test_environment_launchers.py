"""What starts a program again, or parts of it elsewhere, under ``spearmint run``, which says nothing of children."""

import json
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request

import pytest

pytestmark = pytest.mark.slow

ENTRY = {"target": "work:f", "configs": [{"k": 5}], "bindings": {"k": "k"}}
OWN = {**ENTRY, "target": "__main__:own"}
WORK = {"work.py": "def f(x, k=0):\n    return x, k\n"}
TOLD = """
    import os, subprocess, sys
    import work

    def own(k=0):
        return k

    print(sys.argv[1:], work.f(1), own(), sys.orig_argv[-len(sys.argv):] == sys.argv, __spec__, flush=True)
"""


@pytest.fixture
def write(project):
    """Write the settings, the module that they are about, and a program."""

    def write_files(program, *entries, **settings):
        files = {"spearmint.yaml": json.dumps({"experiments": [ENTRY, *entries], **settings}), "program.py": program}
        project.write({**WORK, **files})

    return write_files


AGAIN = {
    "subprocess": "subprocess.run([sys.executable, *sys.argv, 'again'])",
    "orig_argv": "subprocess.run([*sys.orig_argv, 'again'])",
    "exec": "os.execv(sys.executable, [sys.executable, *sys.argv, 'again'])",
    "execvp": "os.execvp(sys.executable, [sys.executable, *sys.argv, 'again'])",
    "spawn": "os.spawnv(os.P_WAIT, sys.executable, [sys.executable, *sys.argv, 'again'])",
}


@pytest.mark.parametrize("how", AGAIN)
def test_program_that_starts_itself_again_is_instrumented(write, run, how):
    write(textwrap.dedent(TOLD) + f"if len(sys.argv) == 1:\n    {AGAIN[how]}\n", OWN)
    done = run("-m", "spearmint", "run", "program.py")
    assert done.stdout.splitlines() == ["[] (1, 5) 5 True None", "['again'] (1, 5) 5 True None"]
    assert done.stderr == ""


def test_settings_can_leave_children_alone(write, run):
    write(textwrap.dedent(TOLD) + f"if len(sys.argv) == 1:\n    {AGAIN['exec']}\n", OWN, propagate_children=False)
    done = run("-m", "spearmint", "run", "program.py")
    assert done.stdout.splitlines() == ["[] (1, 5) 5 True None", "['again'] (1, 0) 0 True None"]


def test_another_script_is_not_the_program(write, project, run):
    write("import subprocess, sys; subprocess.run([sys.executable, 'other.py'])\ndef own(k=0): ...\n", OWN)
    project.write({"other.py": TOLD})
    done = run("-m", "spearmint", "run", "program.py")
    assert (done.stdout, done.stderr) == ("[] (1, 5) 0 True None\n", "")


def test_program_that_installs_too_is_not_installed_twice(write, run):
    more = """
    import spearmint
    from spearmint.instrument.install import installed
    spearmint.install("spearmint.yaml")
    print(len(installed()), flush=True)
    if len(sys.argv) == 1:
        subprocess.run([sys.executable, *sys.argv, "again"])
    """
    write(textwrap.dedent(TOLD) + textwrap.dedent(more))
    done = run("-m", "spearmint", "run", "program.py")
    assert done.stdout.splitlines() == ["[] (1, 5) 0 True None", "1", "['again'] (1, 5) 0 True None", "1"]
    assert done.stderr == ""


def test_run_within_a_run_follows_its_own_settings(write, project, run):
    again = "subprocess.run([sys.executable, '-m', 'spearmint', 'run', '--config', 'two.yaml', 'program.py', 'x'])"
    write(textwrap.dedent(TOLD) + f"if len(sys.argv) == 1:\n    {again}\n")
    project.write({"two.yaml": json.dumps({"experiments": [{**ENTRY, "configs": [{"k": 7}]}]})})
    done = run("-m", "spearmint", "run", "program.py")
    assert done.stdout.splitlines() == ["[] (1, 5) 0 True None", "['x'] (1, 7) 0 True None"]
    assert done.stderr == ""


POOLS = """
    import multiprocessing, sys
    from concurrent.futures import ProcessPoolExecutor
    import work

    def own(k=0):
        return k

    if __name__ == "__main__":
        for how in ("spawn", "forkserver"):
            with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(how)) as pool:
                print(how, pool.submit(work.f, 1).result(), pool.submit(own).result())
"""


def test_workers_of_spawn_and_forkserver_are_instrumented(write, run):
    write(POOLS, OWN)
    done = run("-m", "spearmint", "run", "program.py")
    assert done.stdout.splitlines() == ["spawn (1, 5) 5", "forkserver (1, 5) 5"]
    assert done.stderr == ""


def test_workers_of_loky_are_instrumented(write, run):
    pytest.importorskip("joblib")
    program = """
    from joblib import Parallel, delayed
    import work

    def call(x):
        import work
        return work.f(x)

    if __name__ == "__main__":
        print(Parallel(n_jobs=2, backend="loky")(delayed(work.f)(x) for x in range(2)))
        print(Parallel(n_jobs=2, backend="loky")(delayed(call)(x) for x in range(2)))
    """
    write(program)
    done = run("-m", "spearmint", "run", "program.py")
    assert done.stdout.splitlines() == ["[(0, 5), (1, 5)]", "[(0, 5), (1, 5)]"]
    assert done.stderr == ""


RELOADER = """
    import os, subprocess, sys
    import work

    def arguments():
        # As Django's and werkzeug's reloaders put them together.
        options = [f"-W{one}" for one in sys.warnoptions]
        spec = sys.modules["__main__"].__spec__
        main = ["-m", spec.name.removesuffix(".__main__")] if spec is not None else [sys.argv[0]]
        return [sys.executable, *options, *main, *sys.argv[1:]]

    if os.environ.get("RUN_MAIN") != "true":
        environment = {**os.environ, "RUN_MAIN": "true"}
        raise SystemExit(subprocess.run(arguments(), env=environment, close_fds=False).returncode)
    print(sys.argv[1:], work.f(1))
    raise SystemExit(3)
"""


@pytest.mark.parametrize("form", [["program.py"], ["-m", "program"]])
def test_child_of_a_reloader_is_instrumented(write, run, form):
    write(RELOADER)
    done = run("-m", "spearmint", "run", *form, "runserver")
    assert (done.returncode, done.stdout, done.stderr) == (3, "['runserver'] (1, 5)\n", "")


APP = """
    import work

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": str(work.f(1)).encode()})
"""


def test_uvicorn_with_reload_serves_an_instrumented_application(project, free_tcp_port):
    pytest.importorskip("uvicorn")
    project.write({**WORK, "spearmint.yaml": json.dumps({"experiments": [ENTRY]}), "served.py": APP})
    command = ["run", "-m", "uvicorn", "served:app", "--reload", "--port", str(free_tcp_port), "--lifespan", "off"]
    with subprocess.Popen(
        [sys.executable, "-m", "spearmint", *command],
        cwd=project.folder,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as server:
        try:
            assert _get(f"http://127.0.0.1:{free_tcp_port}/") == "(1, 5)"
        finally:
            server.send_signal(signal.SIGINT)


def _get(address):
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read().decode()
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
