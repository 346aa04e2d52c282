"""What would end a process or a loop does not, when a variant does it."""

import pytest

pytestmark = pytest.mark.slow

FAULTS = {
    "sys.exit": "sys.exit(5)",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "RecursionError": "endless()",
    "CancelledError": "raise asyncio.CancelledError",
    "GeneratorExit": "raise GeneratorExit",
}
COMMON = """
        logging.disable()

        def endless():
            return endless()

"""


@pytest.mark.parametrize("fault", FAULTS)
def test_a_sync_variant_cannot_end_the_process(program, fault) -> None:
    done = program(f"""{COMMON}
        @shadow.experiment
        def fails(config: Config):
            if config["n"]:
                {FAULTS[fault]}
            return "answer"

        print(fails())
        assert spearmint.flush(10)
        print(counts())
        print(fails())
    """)
    count = "cancelled" if fault in ("CancelledError", "GeneratorExit") else "failed"
    assert done.stdout == f"answer\n{{'submitted': 1, '{count}': 1}}\nanswer\n"
    assert (done.stderr, done.returncode) == ("", 0)


@pytest.mark.parametrize("fault", FAULTS)
def test_an_async_variant_cannot_end_the_loop_or_the_process(program, fault) -> None:
    done = program(f"""{COMMON}
        @shadow.experiment
        async def fails(config: Config):
            if config["n"]:
                {FAULTS[fault]}
            return "answer"

        async def main():
            print(await fails())
            assert await spearmint.aflush(10)
            print(counts())

        asyncio.run(main())
        with Spearmint.run(fails, await_variants=True) as runner:
            print(runner().main_result.result)
    """)
    count = "cancelled" if fault in ("CancelledError", "GeneratorExit") else "failed"
    assert done.stdout == f"answer\n{{'submitted': 1, '{count}': 1}}\nanswer\n"
    assert (done.stderr, done.returncode) == ("", 0)


def test_interrupt_of_main_reaches_the_caller_cancels_variants(program) -> None:
    done = program("""
        @shadow.experiment
        def waits(config: Config):
            if config["n"] == 0:
                os.kill(os.getpid(), signal.SIGINT)
                time.sleep(10)

        try:
            waits()
        except KeyboardInterrupt:
            print(counts())
    """)
    assert (done.stdout, done.stderr, done.returncode) == ("{'submitted': 1, 'cancelled': 1}\n", "", 0)


def test_interrupt_of_a_run_on_own_loop_reaches_the_caller(program) -> None:
    done = program("""
        @shadow.experiment
        async def waits(config: Config):
            if config["n"] == 0:
                os.kill(os.getpid(), signal.SIGINT)
                await asyncio.Event().wait()

        runner = Spearmint.run(waits)
        try:
            runner()
        except KeyboardInterrupt:
            deadline = time.monotonic() + 10
            while runner.results.main_result.status == "pending" and time.monotonic() < deadline:
                time.sleep(0.01)
            assert spearmint.flush(10)
            print([one.status for one in runner.results], counts())
    """)
    expected = "['cancelled', 'cancelled'] {'submitted': 1, 'cancelled': 1}\n"
    assert (done.stdout, done.stderr, done.returncode) == (expected, "", 0)
