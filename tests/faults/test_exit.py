"""The end of the process: a bounded wait, then one line, and nothing else."""

import signal
import sys
import time

import pytest

pytestmark = pytest.mark.slow


def abandoned(number: int, seconds: str) -> str:
    return f"spearmint: {number} background executions were abandoned at exit after {seconds} s\n"


def test_variants_that_end_within_the_wait_are_not_lost(program) -> None:
    done = program("""
        gate = threading.Event()

        @shadow.experiment
        def slow(config: Config):
            if config["n"]:
                gate.wait(10)
                os.write(1, b"variant\\n")  # In one piece, as two threads write.

        slow()
        slow()
        threading.Timer(0.1, gate.set).start()
        print("main", flush=True)
    """)
    assert done.stderr == ""
    assert done.stdout == "main\nvariant\nvariant\n"
    assert done.returncode == 0


def test_hung_variants_are_abandoned_after_the_wait_in_one_line(program) -> None:
    done = program("""
        spearmint.configure(background={"max_workers": 1, "exit_timeout": 0.2})

        @shadow.experiment
        def hangs(config: Config):
            if config["n"]:
                threading.Event().wait()

        for _ in range(3):
            hangs()
        print(counts())
    """)
    assert done.stderr == abandoned(3, "0.2")
    assert done.stdout == "{'submitted': 3, 'pending': 3}\n"
    assert done.returncode == 0


def test_the_wait_is_two_seconds_unless_set(program) -> None:
    begun = time.monotonic()
    done = program("""
        @shadow.experiment
        def hangs(config: Config):
            while config["n"]:
                pass

        hangs()
        print("main ended", flush=True)
    """)
    assert done.stderr == abandoned(1, "2")
    assert 2 <= time.monotonic() - begun < 15


def test_nothing_is_said_or_waited_for_when_nothing_is_left(program) -> None:
    done = program("""
        @shadow.experiment
        def quick(config: Config):
            return config["n"]

        assert quick() == 0
        assert spearmint.flush(10)
        print(counts())
    """)
    assert (done.stdout, done.stderr, done.returncode) == ("{'submitted': 1, 'finished': 1}\n", "", 0)


def test_an_exit_status_is_kept(program) -> None:
    done = program("""
        spearmint.configure(background={"exit_timeout": 0})

        @shadow.experiment
        def hangs(config: Config):
            if config["n"]:
                threading.Event().wait()

        hangs()
        sys.exit(7)
    """)
    assert done.stderr == abandoned(1, "0")
    assert done.returncode == 7


def test_an_exit_without_stderr_is_no_error(program) -> None:
    done = program("""
        spearmint.configure(background={"exit_timeout": 0})

        @shadow.experiment
        def hangs(config: Config):
            if config["n"]:
                threading.Event().wait()

        hangs()
        sys.stderr = None
    """)
    assert (done.stderr, done.returncode) == ("", 0)


def test_async_variants_on_own_loop_are_waited_for(program) -> None:
    done = program("""
        @shadow.experiment
        async def slow(config: Config):
            if config["n"]:
                await asyncio.sleep(0.1)
                print("variant", flush=True)

        with Spearmint.run(slow) as runner:
            runner()
        print("main", flush=True)
    """)
    assert (done.stdout, done.stderr, done.returncode) == ("main\nvariant\n", "", 0)


@pytest.mark.parametrize("first", ["", "shadow.experiment(lambda config: None)()\n"])
def test_async_variants_that_hang_are_abandoned_with_one_line(program, first) -> None:
    done = program(
        f"""
        spearmint.configure(background={{"exit_timeout": 0.2}})
        {first}
        @shadow.experiment
        async def hangs(config: Config):
            if config["n"]:
                await asyncio.Event().wait()

        with Spearmint.run(hangs) as runner:
            runner()
        """
    )
    assert done.stderr == abandoned(1, "0.2")
    assert done.returncode == 0


def test_blocked_own_loop_does_not_hold_up_the_exit(program) -> None:
    done = program("""
        spearmint.configure(background={"exit_timeout": 0.2})

        @shadow.experiment
        async def hangs(config: Config):
            if config["n"]:
                threading.Event().wait()

        with Spearmint.run(hangs) as runner:
            runner()
    """)
    assert abandoned(1, "0.2") in done.stderr
    assert "Error" not in done.stderr
    assert done.returncode == 0


def test_timed_out_variants_are_not_abandoned_too(program) -> None:
    done = program("""
        @shadow.experiment(variant_timeout=0.05)
        def hangs(config: Config):
            if config["n"]:
                threading.Event().wait()

        logging.disable()
        hangs()
        assert spearmint.flush(10)
        print(counts())
    """)
    assert (done.stdout, done.stderr, done.returncode) == ("{'submitted': 1, 'timed_out': 1}\n", "", 0)


def test_a_process_may_end_with_a_stream_half_read(program) -> None:
    done = program("""
        @shadow.experiment
        def stream(config: Config):
            yield 1
            yield 2

        @shadow.experiment
        async def astream(config: Config):
            yield 1
            yield 2

        running = stream()
        print(next(running))
        arunning = astream()
        print(asyncio.run(anext(arunning)))
    """)
    assert done.returncode == 0
    assert done.stdout == "1\n1\n"
    assert "Traceback" not in done.stderr


def test_an_interrupted_exit_says_the_line_at_once(program) -> None:
    done = program("""
        spearmint.configure(background={"exit_timeout": 20})

        @shadow.experiment
        def hangs(config: Config):
            if config["n"]:
                threading.Event().wait()

        hangs()
        def interrupt():
            while threading.main_thread().is_alive():
                time.sleep(0.05)  # The main thread counts as alive until its exit begins.
            os.kill(os.getpid(), signal.SIGINT)
        threading.Thread(target=interrupt, daemon=True).start()
    """)
    assert done.stderr == abandoned(1, "20")


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_default_sigterm_ends_and_exiting_handler_drains(program) -> None:
    source = """
        gate = threading.Event()

        @shadow.experiment
        def slow(config: Config):
            if config["n"]:
                gate.wait(10)
                print("variant", flush=True)

        {handler}
        slow()
        threading.Timer(0.1, gate.set).start()
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(10)
    """
    done = program(source.format(handler=""))
    assert (done.stdout, done.stderr, done.returncode) == ("", "", -signal.SIGTERM)
    done = program(source.format(handler="signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))"))
    assert (done.stdout, done.stderr, done.returncode) == ("variant\n", "", 3)


def test_variants_pending_as_asyncio_run_ends_warn_once(program) -> None:
    done = program("""
        @shadow.experiment
        async def waits(config: Config):
            if config["n"]:
                await asyncio.Event().wait()
            return "answer"

        async def main():
            for _ in range(3):
                print(await waits())

        asyncio.run(main())
        print(counts())
    """)
    assert done.stdout == "answer\n" * 3 + "{'submitted': 3, 'cancelled': 3}\n"
    (line,) = done.stderr.splitlines()
    assert line.startswith("Variants are lost: their event loop ended, or other code cancelled them;")
    assert done.returncode == 0


def test_a_loop_left_open_with_variants_is_abandoned_quietly(program) -> None:
    done = program("""
        spearmint.configure(background={"exit_timeout": 0.1})

        @shadow.experiment
        async def waits(config: Config):
            if config["n"]:
                await asyncio.Event().wait()

        loop = asyncio.new_event_loop()
        loop.run_until_complete(waits())
        import atexit
        atexit.register(loop.close)  # What was registered last runs first.
    """)
    assert "Traceback" not in done.stderr
    assert "Task was destroyed" not in done.stderr
    assert done.returncode == 0
