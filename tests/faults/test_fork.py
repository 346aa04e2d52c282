"""A fork gets a background of its own and none of its parent's work."""

import os
import sys

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")]

# Since 3.12, forking a process that has threads warns, which is the very thing under test.
FLAGS = ("-W", "ignore:This process:DeprecationWarning") if sys.version_info >= (3, 12) else ()

COMMON = """
        gate = threading.Event()
        begun = threading.Semaphore(0)
        ran = []

        @shadow.experiment
        def gated(config: Config):
            if config["n"]:
                begun.release()
                gate.wait(10)
                ran.append(os.getpid())
                print("ran in", "parent" if os.getpid() == PARENT else "child", flush=True)
            return config["n"]

        @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
        def both(config: Config):
            return config["n"]

        PARENT = os.getpid()

        def in_child(work):
            pid = os.fork()
            if pid == 0:
                try:
                    work()
                except BaseException as error:
                    print("child:", repr(error), flush=True)
                    os._exit(1)
                os._exit(0)
            _, status = os.waitpid(pid, 0)
            print("child ended with", os.waitstatus_to_exitcode(status), flush=True)
"""


def test_fork_child_has_fresh_counts_and_none_of_the_work(program) -> None:
    done = program(
        f"""{COMMON}
        spearmint.configure(background={{"max_workers": 1}})
        for _ in range(3):
            gated()
        begun.acquire()
        pending = Spearmint.run(gated)()

        def child():
            assert counts() == {{}}, counts()
            assert spearmint.flush(0)
            assert pending.variant_results[0].status == "dropped"
            assert pending.wait(0)
            assert [one.result for one in both()] == [0, 1]
            assert counts() == {{"submitted": 1, "finished": 1}}

        in_child(child)
        print(counts())
        gate.set()
        assert spearmint.flush(10)
        assert pending.variant_results[0].status == "success"
        assert [one.result for one in both()] == [0, 1]
        print(counts())
        """,
        *FLAGS,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "child ended with 0",
        "{'submitted': 4, 'pending': 4}",
        *["ran in parent"] * 4,
        "{'submitted': 5, 'finished': 5}",
    ]


def test_a_fork_while_locks_are_held_leaves_the_child_free(program) -> None:
    done = program(
        f"""{COMMON}
        from spearmint.execution.pool import variant_pool
        held, release = threading.Event(), threading.Event()
        results = Spearmint.run(gated)()
        begun.acquire()

        def hold():
            with variant_pool.account.lock:
                held.set()
                release.wait(10)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(10)

        @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy, variant_timeout=5).experiment
        def timed(config: Config):
            return config["n"]

        def child():
            assert [one.result for one in timed()] == [0, 1]
            assert results.wait(5)
            assert spearmint.flush(5)

        in_child(child)
        release.set()
        gate.set()
        holder.join()
        assert results.wait(10)
        """,
        *FLAGS,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["child ended with 0", "ran in parent"]


def test_a_fork_while_another_thread_switches_hangs_no_child(program) -> None:
    done = program(
        """
        is_done = False

        @shadow.experiment
        def answer(config: Config):
            return config["n"]

        def switch():
            while not is_done:
                spearmint.disable("*")
                spearmint.enable("*")

        switcher = threading.Thread(target=switch)
        switcher.start()
        statuses = set()
        for _ in range(20):
            pid = os.fork()
            if pid == 0:
                signal.alarm(5)  # Ends a child that hangs.
                spearmint.disable("*")
                assert answer() == 0
                os._exit(0)
            statuses.add(os.waitpid(pid, 0)[1])
            if statuses != {0}:
                break
        is_done = True
        switcher.join()
        print(statuses)
        """,
        *FLAGS,
    )
    assert (done.stderr, done.stdout) == ("", "{0}\n")


def test_a_child_has_a_loop_of_its_own_and_its_parents_goes_on(program) -> None:
    done = program(
        f"""{COMMON}
        @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
        async def tasks(config: Config):
            await asyncio.sleep(0)
            return config["n"]

        @shadow.experiment
        async def waits(config: Config):
            if config["n"]:
                await asyncio.Event().wait()

        def check():
            with Spearmint.run(tasks) as runner:
                assert [one.result for one in runner()] == [0, 1]

        check()
        Spearmint.run(waits)()

        def child():
            assert counts() == {{}}
            check()
            gc.collect()
            assert counts() == {{"submitted": 1, "finished": 1}}

        in_child(child)
        check()
        spearmint.configure(background={{"exit_timeout": 0}})
        """,
        *FLAGS,
    )
    assert done.stdout == "child ended with 0\n"
    assert done.stderr == "spearmint: 1 background executions were abandoned at exit after 0 s\n"


def test_ending_child_does_not_mention_its_parents_work(program) -> None:
    done = program(
        f"""{COMMON}
        gated()
        begun.acquire()
        pid = os.fork()
        if pid == 0:
            assert [one.result for one in both()] == [0, 1]
            sys.exit(3)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
        gate.set()
        """,
        *FLAGS,
    )
    assert done.stderr == ""
    assert done.stdout == "3\nran in parent\n"


def test_a_fork_in_a_variant_ends_in_the_child_with_the_variant(program) -> None:
    done = program(
        f"""{COMMON}
        @shadow.experiment
        def forks(config: Config):
            if config["n"] == 0:
                return None
            pid = os.fork()
            if pid:
                _, status = os.waitpid(pid, 0)
                print("child ended with", os.waitstatus_to_exitcode(status), flush=True)

        forks()
        assert spearmint.flush(15), counts()
        print(counts())
        """,
        *FLAGS,
    )
    assert done.stderr == ""
    assert done.stdout == "child ended with 0\n{'submitted': 1, 'finished': 1}\n"


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_experiments_work_in_the_processes_of_multiprocessing(program, method) -> None:
    done = program(
        f"""
        @Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy).experiment
        def both(x, config: Config):
            return x + config["n"]

        @shadow.experiment
        def shadowed(x, config: Config):
            return x + config["n"]

        def collect(x):
            found = [one.result for one in both(x)]
            return shadowed(x), found, spearmint.flush(10), counts()

        if __name__ == "__main__":
            shadowed(0)
            assert spearmint.flush(10)
            with multiprocessing.get_context("{method}").Pool(2, maxtasksperchild=1) as pool:
                for found in pool.map(collect, [10, 20], chunksize=1):
                    print(*found)
                print(pool.apply(shadowed, (1,)))
                pool.close()
                pool.join()
            print(counts())
        """,
        *FLAGS,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "10 [10, 11] True {'submitted': 2, 'finished': 2}",
        "20 [20, 21] True {'submitted': 2, 'finished': 2}",
        "1",
        "{'submitted': 1, 'finished': 1}",
    ]


def test_fork_during_a_first_call_does_not_hang_the_child(program) -> None:
    done = program(
        f"""{COMMON}
        def at_once():
            # Nothing was called before, so that whatever a first call imports is imported by this one.
            @Spearmint(configs=CONFIGS, strategy=ShadowStrategy).experiment
            def first(config: Config):
                return config["n"]

            caller = threading.Thread(target=first)
            caller.start()

            def child():
                signal.alarm(10)
                assert first() == 0
                assert spearmint.flush(5)

            in_child(child)
            caller.join()

        for _ in range(20):
            in_child(at_once)
        """,
        *FLAGS,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines().count("child ended with 0") == 40


def test_first_calls_import_nothing(program) -> None:
    done = program("""
        @shadow.experiment
        def inner(config: Config):
            return config["n"]

        @shadow.experiment
        def function(config: Config):
            return inner()

        @shadow.experiment
        def generator(config: Config):
            yield config["n"]

        @shadow.experiment
        async def coroutine(config: Config):
            return config["n"]

        assert spearmint.flush(0)
        before = set(sys.modules)
        function()
        list(generator())
        asyncio.run(coroutine())
        Spearmint.run(coroutine, await_variants=True)()
        Spearmint.run(function, await_variants=True)()
        spearmint.flush(10)
        print(sorted(set(sys.modules) - before))
    """)
    assert (done.stdout, done.stderr) == ("[]\n", "")
