"""What happens to traces as processes begin, fork and end, and as servers come and go; each in a process of its own."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from mlflow.tracing.client import TracingClient
from mlflow.tracking import MlflowClient

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parent.parent.parent
DEADLINE_SECONDS = 110

PRELUDE = """
import json, os, socket, sys, threading, time
import spearmint
from spearmint import Spearmint
from spearmint.strategies import ShadowStrategy

mint = Spearmint(configs=[{"n": 1}, {"n": 2}], tracing=True)

@mint.experiment()
def times(x, config):
    return x * config["n"]

def counts():
    stats = spearmint.tracing_stats()
    found = {name: getattr(stats, name) for name in stats.__slots__}
    assert 2 * found["recorded"] == sum(found.values()), found
    return {name: count for name, count in found.items() if count}

def tell(**what):
    print(json.dumps(what), flush=True)
"""


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Run a program within a deadline, and return what it told and its stderr."""
    monkeypatch.chdir(tmp_path)

    def run(source, **env):
        path = tmp_path / "program.py"
        path.write_text(PRELUDE + textwrap.dedent(source), encoding="utf-8")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
        done = subprocess.run(
            [sys.executable, str(path)],
            env={**inherited, "PYTHONPATH": str(ROOT), "MLFLOW_DISABLE_TELEMETRY": "true", **env},
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        told = {}
        for line in done.stdout.splitlines():
            told.update(json.loads(line))
        return told, done.stderr

    return run


def outputs(uri):
    found = MlflowClient(uri).search_traces(locations=["0"])
    return sorted(trace.data.spans[0].outputs for trace in found)


def test_nothing_of_mlflow_is_imported_on_the_callers_thread(program) -> None:
    told, _ = program("""
        importers = set()

        class Watch:
            def find_spec(self, name, path=None, target=None):
                if name.partition(".")[0] == "mlflow":
                    importers.add(threading.current_thread().name)

        sys.meta_path.insert(0, Watch())
        times(1)
        spearmint.flush()
        tell(importers=sorted(importers), counts=counts())
    """)
    assert told == {"importers": ["spearmint-traces"], "counts": {"recorded": 1, "written": 1}}


def test_default_store_is_a_database_in_the_working_directory(program, tmp_path) -> None:
    program("times(21); assert spearmint.flush(100)")
    assert outputs(f"sqlite:///{tmp_path}/mlflow.db") == [21]


def test_tracing_is_off_until_the_process_has_imported_mlflow(program, database) -> None:
    told, _ = program(
        """
        quiet = Spearmint(configs=[{"n": 1}]).experiment()(times.__wrapped__)
        quiet(1)
        assert "mlflow" not in sys.modules
        import mlflow
        quiet(2)
        spearmint.flush()
        tell(counts=counts())
        """,
        MLFLOW_TRACKING_URI=database,
    )
    assert told["counts"] == {"recorded": 1, "written": 1}
    assert outputs(database) == [2]


def test_tracing_is_enabled_without_importing_mlflow(program, database) -> None:
    told, _ = program(
        """
        before = Spearmint(configs=[{"n": 1}]).experiment()(times.__wrapped__)
        spearmint.configure(tracing={"enabled": True})
        after = Spearmint(configs=[{"n": 1}]).experiment()(times.__wrapped__)
        before(1), after(2)
        spearmint.configure(tracing={"enabled": False})
        before(3), after(4)
        spearmint.flush()
        tell(counts=counts())
        """,
        MLFLOW_TRACKING_URI=database,
    )
    assert told["counts"] == {"recorded": 2, "written": 2}


def test_spans_recorded_last_are_written_within_the_exit_wait(program, database) -> None:
    program(
        """
        import mlflow.tracing.client, spearmint.tracing.mlflow.writer
        spearmint.configure(background={"exit_timeout": 30})
        shadow = mint.experiment(strategy=ShadowStrategy)(times.__wrapped__)
        shadow(21)
        """,
        MLFLOW_TRACKING_URI=database,
    )
    assert outputs(database) == [21, 42]


def test_a_variant_that_is_abandoned_at_exit_is_recorded_as_such(program, database) -> None:
    _, stderr = program(
        """
        import spearmint.tracing.mlflow
        begun = threading.Event()

        @mint.experiment(strategy=ShadowStrategy)
        def hang(config):
            if config["n"] == 2:
                begun.set()
                threading.Event().wait()

        spearmint.configure(background={"exit_timeout": 6})
        hang()
        assert begun.wait(10)
        spearmint.flush(0.1)
        """,
        MLFLOW_TRACKING_URI=database,
    )
    assert "1 background executions were abandoned" in stderr
    variants = MlflowClient(database).search_traces(locations=["0"], filter_string="tags.`spearmint.role` = 'variant'")
    assert [(trace.info.state, trace.info.tags["spearmint.status"]) for trace in variants] == [("ERROR", "abandoned")]


SILENT = """
        listener = socket.socket()
        listener.bind(("127.0.0.1", 0))
        {listen}
        url = f"http://127.0.0.1:{{listener.getsockname()[1]}}"
        spearmint.configure(tracing={{"tracking_uri": url, "timeout": 0.5}})
"""


@pytest.mark.parametrize("listen", ["listener.listen(100)", "pass"], ids=["never answers", "refuses"])
def test_refusing_server_fails_traces_and_holds_up_nothing(program, listen) -> None:
    told, stderr = program(
        SILENT.format(listen=listen)
        + """
        assert [times(x) for x in range(100)] == list(range(100))
        assert spearmint.flush(100)
        tell(counts=counts())
        """
    )
    assert told["counts"] == {"recorded": 100, "failed": 100}
    assert stderr.count("Traces are lost") == 1


@pytest.mark.parametrize("mode", ["deferred", "live"])
def test_the_exit_does_not_wait_for_a_server_without_an_answer(program, mode) -> None:
    told, stderr = program(
        SILENT.format(listen="listener.listen(100)").replace('"timeout": 0.5', f'"timeout": 600, "mode": "{mode}"')
        + """
        import mlflow
        mlflow.set_tracking_uri(url)
        spearmint.configure(background={"exit_timeout": 0.2})
        times(1)
        tell(counts=counts())
        """
    )
    assert told["counts"] == {"recorded": 1, "pending": 1}
    assert "spearmint: 1 traces were not written to MLflow within 0.2 s of exit" in stderr


@pytest.mark.skipif(sys.version_info >= (3, 14), reason="daemon threads are not ended by force there")
@pytest.mark.parametrize("mode", ["deferred", "live"])
def test_the_exit_leaves_no_import_of_ours_under_way(program, mode, tmp_path) -> None:
    # Where it ends by force within a module written in C++, the process aborts.
    for number in range(1000):
        (tmp_path / f"slow_{number}.py").write_text("import time; time.sleep(0.05)\n")
    told, stderr = program(
        f"""
        import atexit
        import mlflow

        def at_last():
            found = sys._current_frames()
            threads = [one for one in threading.enumerate() if one.name == "spearmint-traces"]
            code, frame = [], found[threads[0].ident]
            while frame is not None:
                code.append(frame.f_code.co_filename)
                frame = frame.f_back
            tell(importing=[name for name in code if "importlib" in name], slow=[
                name for name in sys.modules if name.startswith("slow_")
            ])

        atexit.register(at_last)
        spearmint.configure(tracing={{"mode": "{mode}"}}, background={{"exit_timeout": 0.2}})
        from spearmint.tracing.exporter import exporter

        def make_writer():
            for number in range(1000):
                __import__(f"slow_{{number}}")

        exporter.make_writer = make_writer
        times(1)
        """
    )
    assert "1 traces were not written" in stderr
    assert told["importing"] == []
    assert 1 <= len(told["slow"]) < 1000


def test_fork_child_writes_its_own_traces_only(program, database) -> None:
    told, _ = program(
        """
        times(1)
        assert spearmint.flush(100)
        times(2)
        child = os.fork()
        if child == 0:
            assert counts() == {}, counts()
            times(3)
            assert spearmint.flush(100)
            tell(child=counts())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        times(4)
        assert spearmint.flush(100)
        tell(parent=counts())
        """,
        MLFLOW_TRACKING_URI=database,
    )
    assert told == {"child": {"recorded": 1, "written": 1}, "parent": {"recorded": 3, "written": 3}}
    assert outputs(database) == [1, 2, 3, 4]


def test_fork_within_an_execution_leaves_its_trace_to_the_parent(program, database) -> None:
    told, _ = program(
        """
        @mint.experiment()
        def fork(config):
            return os.fork()

        child = fork()
        if child == 0:
            times(3)
            assert spearmint.flush(100)
            tell(child=counts())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert spearmint.flush(100)
        tell(parent=counts())
        """,
        MLFLOW_TRACKING_URI=database,
    )
    assert told == {"child": {"recorded": 1, "written": 1}, "parent": {"recorded": 1, "written": 1}}
    assert len(outputs(database)) == 2


FORK_AMID_AN_IMPORT = """
        import signal

        def fork_amid_an_import(until):
            idle = threading.Event()
            others = [threading.Thread(target=idle.wait) for _ in range(3)]  # No thread of the child has their idents.
            importer = threading.Thread(target=__import__, args=("mlflow",))
            for thread in (*others, importer):
                thread.start()
            while until not in sys.modules:
                time.sleep(0.001)
            child = os.fork()
            idle.set()
            if child == 0:
                signal.alarm(60)  # Ends a child that hangs.
            return child

        def check(child):
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            times(4)
            assert spearmint.flush(100)
            tell(parent=counts())
"""


@pytest.mark.parametrize(("until", "mode"), [("mlflow", "auto"), ("mlflow.tracing.provider", "live")])
def test_fork_waits_for_a_users_import_of_mlflow(program, database, until, mode) -> None:
    told, stderr = program(
        f"""
{FORK_AMID_AN_IMPORT}
        spearmint.configure(tracing={{"mode": "{mode}"}})
        child = fork_amid_an_import("{until}")
        if child == 0:
            assert times(3) == 3
            assert spearmint.flush(50)
            tell(child=counts())
            os._exit(0)
        check(child)
        """,
        MLFLOW_TRACKING_URI=database,
    )
    assert told == {"child": {"recorded": 1, "written": 1}, "parent": {"recorded": 1, "written": 1}}
    assert outputs(database) == [3, 4]
    assert "Traces are lost" not in stderr


def test_fork_waits_for_the_import_of_the_first_trace(program, database) -> None:
    told, _ = program(
        """
        times(1)
        while "mlflow.tracing.provider" not in sys.modules:
            time.sleep(0.001)
        child = os.fork()
        if child == 0:
            assert times(3) == 3
            assert spearmint.flush(50)
            tell(child=counts())
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert spearmint.flush(100)
        tell(parent=counts())
        """,
        MLFLOW_TRACKING_URI=database,
    )
    assert told == {"child": {"recorded": 1, "written": 1}, "parent": {"recorded": 1, "written": 1}}
    assert outputs(database) == [1, 3]


def test_child_with_half_of_mlflow_calls_and_exits(program, database) -> None:
    told, _ = program(
        f"""
{FORK_AMID_AN_IMPORT}
        from spearmint.tracing import exporter
        exporter.OPENING_SECONDS = 0.0  # Longer than that takes the import.
        spearmint.configure(tracing={{"mode": "live"}})
        child = fork_amid_an_import("mlflow.tracing.provider")
        if child == 0:
            assert [times(n) for n in range(3)] == [0, 1, 2]
            grandchild = os.fork()
            if grandchild == 0:
                assert times(3) == 3
                sys.exit(0)
            assert os.waitpid(grandchild, 0)[1] == 0
            sys.exit(0)
        check(child)
        """,
        MLFLOW_TRACKING_URI=database,
    )
    assert told == {"parent": {"recorded": 1, "written": 1}}
    assert outputs(database) == [4]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_multiprocessing_child_writes_its_traces_before_it_ends(program, database, method) -> None:
    program(
        f"""
        import multiprocessing
        spearmint.configure(background={{"exit_timeout": 30}})
        if __name__ == "__main__":
            child = multiprocessing.get_context("{method}").Process(target=times, args=(21,))
            child.start()
            child.join()
            assert child.exitcode == 0
        """,
        MLFLOW_TRACKING_URI=database,
    )
    assert outputs(database) == [21]


def test_two_processes_write_into_one_database(program, database) -> None:
    told, _ = program(
        """
        import subprocess
        prelude = open(__file__).read().partition("# parent")[0]
        source = prelude + "\\nfor x in range(20): times(x)\\nassert spearmint.flush(100)"
        both = [subprocess.Popen([sys.executable, "-c", source]) for _ in range(2)]
        tell(codes=[one.wait(100) for one in both])
        """.replace("import subprocess", "# parent\n        import subprocess", 1),
        MLFLOW_TRACKING_URI=database,
    )
    assert told["codes"] == [0, 0]
    assert outputs(database) == sorted([*range(20)] * 2)


def test_an_unwritable_database_costs_traces_and_no_more(program) -> None:
    told, _ = program("""
        spearmint.configure(tracing={"tracking_uri": "sqlite:////proc/none/mlflow.db"})
        assert times(1) == 1
        assert spearmint.flush(100)
        tell(counts=counts())
    """)
    assert told["counts"] == {"recorded": 1, "failed": 1}


def test_the_prepared_database_has_the_schema(database) -> None:
    assert TracingClient(database).store.get_experiment("0").name == "Default"


def test_feedback_survives_forks_exits_and_other_processes(program, database) -> None:
    told, _ = program(
        """
        spearmint.configure(background={"exit_timeout": 60})

        @mint.experiment()
        def answer(config):
            return spearmint.token()

        token = answer()
        assert spearmint.flush(100)
        spearmint.track("parent", 1, token=token)
        child = os.fork()
        if child == 0:
            before = spearmint.feedback_stats().recorded
            spearmint.track("child", 2, token=token)
            is_flushed = spearmint.flush(60)
            stats = spearmint.feedback_stats()
            os._exit(0 if (before, stats.recorded, stats.written, is_flushed) == (0, 1, 1, True) else 1)
        tell(child=os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), token=token)
        """,
        MLFLOW_TRACKING_URI=database,
    )
    assert told["child"] == 0
    program(
        f"""
        spearmint.configure(tracing={{"enabled": True}}, background={{"exit_timeout": 60}})
        spearmint.track("later", 3, token={told["token"]!r})
        """,
        MLFLOW_TRACKING_URI=database,
    )
    (trace,) = MlflowClient(database).search_traces(locations=["0"])
    found = sorted((one.name, one.feedback.value) for one in trace.info.assessments)
    assert found == [("child", 2.0), ("later", 3.0), ("parent", 1.0)]


def test_feedback_on_a_silent_server_does_not_hold_up_the_exit(program) -> None:
    _, stderr = program(
        """
        silent = socket.create_server(("127.0.0.1", 0))
        spearmint.configure(
            tracing={"enabled": True, "tracking_uri": f"http://127.0.0.1:{silent.getsockname()[1]}"},
            background={"exit_timeout": 0.2},
        )
        from spearmint.online.tokens import token_of
        for number in range(3):
            spearmint.track("rating", number, token=token_of("ann", "tr-1"))
        """
    )
    assert "3 feedback were not written to MLflow within" in stderr
