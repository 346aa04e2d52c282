"""A signal handler that raises, at any moment of a call, costs that call and nothing else."""

import signal

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "pthread_kill"), reason="threads cannot be sent signals here"),
]

COMMON = """
import faulthandler, itertools, random
from spearmint.context import experiment_case_var
from spearmint.errors import StrategyError
from spearmint.execution.pool import variant_pool
from spearmint.tracing.span import span_var

faulthandler.dump_traceback_later(50, exit=True)
# A coroutine that is interrupted before its first step is never awaited, and asyncio tells of callbacks that raise.
import warnings
warnings.simplefilter("ignore")
logging.disable()
sys.unraisablehook = lambda _: None
spearmint.configure(background={"max_workers": 3, "queue_size": 100})
CONFIGS = [{"n": n} for n in range(4)]
shadow = Spearmint(configs=CONFIGS, strategy=ShadowStrategy)
every = Spearmint(configs=CONFIGS, strategy=MultiBranchStrategy)


class Interruption(BaseException):
    pass


class Failure(Exception):
    pass


raised = itertools.cycle([Interruption, Failure])
armed = False
interrupted = 0


def handle(number, frame):
    global armed, interrupted
    if armed:
        armed = False
        interrupted += 1
        raise next(raised)


def inject(main):
    while not is_done:
        time.sleep(random.uniform(0.0001, 0.0015))
        signal.pthread_kill(main, signal.SIGUSR1)


def prepare():
    pass


def attempt(action):
    global armed
    prepare()
    try:
        armed = True
        signal.setitimer(signal.ITIMER_REAL, random.uniform(0.00001, 0.0005))
        action()
        armed = False
    except (Interruption, Failure, StrategyError):  # The last: a failure while the strategy was asked.
        pass
    finally:
        armed = False
    left = experiment_case_var.get(), span_var.get()
    assert left == (None, None), left


is_done = False
signal.signal(signal.SIGUSR1, handle)
signal.signal(signal.SIGALRM, handle)
injector = threading.Thread(target=inject, args=(threading.get_ident(),), daemon=True)


def attempts(number, action):
    global is_done
    injector.start()
    end = time.monotonic() + 30
    while number > 0 or (interrupted <= 10 and time.monotonic() < end):
        number -= 1
        attempt(action)
    is_done = True
    injector.join()
    print("interrupted" if interrupted > 10 else f"interrupted {interrupted} times only")


def check():
    counts()
    spearmint.configure(background={"max_workers": 3})
    # Each worker comes when it is called.
    meeting = threading.Barrier(4)

    @every.experiment
    def meets(config: Config):
        meeting.wait(10)
        return config["n"]

    assert [one.result for one in meets()] == [0, 1, 2, 3], variant_pool.workers.count
    assert spearmint.flush(10), counts()
    assert counts().get("pending", 0) == 0
    print("whole")
"""

SYNC = """
@shadow.experiment
def shadowed(config: Config):
    return config["n"]
"""
EVERY = """
@every.experiment
def shadowed(config: Config):
    return config["n"]
"""
KINDS = {
    "shadow": f"{SYNC}\naction = shadowed\n",
    "timed shadow": f"""
shadow = Spearmint(configs=CONFIGS, strategy=ShadowStrategy, variant_timeout=30)
{SYNC}
action = shadowed
""",
    "first calls": f"""{SYNC}
action = shadowed
spearmint.configure(background={{"max_workers": 1}})

def prepare():  # so that each call starts workers
    assert spearmint.flush(10), counts()
    variant_pool.reset()
""",
    "every config": f"{EVERY}\naction = shadowed\n",
    "block": f"spearmint.configure(background={{'overflow': 'block', 'queue_size': 3}})\n{SYNC}\naction = shadowed\n",
    "run in caller": (
        f"spearmint.configure(background={{'overflow': 'run_in_caller', 'queue_size': 3}})\n{SYNC}\naction = shadowed\n"
    ),
    "awaited run": f"""{SYNC}
def action():
    with Spearmint.run(shadowed, await_variants=True) as runner:
        runner()
""",
    "stream": """
@shadow.experiment
def streamed(config: Config):
    yield config["n"]
    yield 2

def action():
    list(streamed())
""",
    "own loop": """
@shadow.experiment
async def shadowed(config: Config):
    await asyncio.sleep(0)
    return config["n"]

def action():
    Spearmint.run(shadowed)()
""",
}
ASYNC = """
loop = asyncio.new_event_loop()

@shadow.experiment
async def shadowed(config: Config):
    await asyncio.sleep(0)
    return config["n"]

@shadow.experiment
async def streamed(config: Config):
    yield config["n"]
    await asyncio.sleep(0)

async def read():
    async for _ in streamed():
        pass

def stop_now_and_then():
    # A callback that is interrupted as it begins is lost to asyncio, and what waits for it waits for ever.
    while not is_done:
        time.sleep(0.02)
        loop.call_soon_threadsafe(loop.stop)

def action():
    try:
        loop.run_until_complete(random.choice((shadowed, read))())
    except RuntimeError:  # The loop was stopped.
        pass

stopper = threading.Thread(target=stop_now_and_then)
stopper.start()
attempts(600, action)
stopper.join()
for task in asyncio.all_tasks(loop):
    task.cancel()
loop.call_soon(loop.stop)  # The last of the others may still be due.
loop.run_forever()
loop.run_until_complete(asyncio.sleep(0))
loop.close()
check()
"""


TRACED = """
import collections
from spearmint.tracing.exporter import exporter
from spearmint.tracing.span import UNSAMPLED

written = collections.Counter()
began = set()


class Collector:
    def open(self, batch, options):
        pass

    def write(self, batch, options):
        written.update(trace.number for trace in batch)
        return [None] * len(batch)


exporter.make_writer = Collector
spearmint.configure(tracing={"enabled": True, "queue_size": 100_000})
single = Spearmint(configs=CONFIGS[:1])


def begin():
    if (span := span_var.get()) is not UNSAMPLED:  # As it is where a failure came while the trace was made.
        began.add((span.trace.number, span.trace.role))


def check_traces():
    assert spearmint.flush(30), spearmint.tracing_stats()
    stats = spearmint.tracing_stats()
    assert stats.recorded == stats.written + stats.failed, stats
    assert sum(written.values()) == len(written) == stats.written, stats
    lost = [role for number, role in began if number not in written]
    assert len(lost) <= stats.failed, (lost, stats)
    print("written")
"""
TRACED_KINDS = {
    "call": """
@single.experiment
def action(config: Config):
    begin()
""",
    "stream": """
@single.experiment
def streamed(config: Config):
    begin()
    yield config["n"]

def action():
    list(streamed())
""",
    "async": """
@single.experiment
async def traced(config: Config):
    begin()

def action():
    try:
        traced().send(None)
    except StopIteration:
        pass
""",
    "shadow": """
@shadow.experiment
def action(config: Config):
    begin()
""",
    "awaited run": """
@shadow.experiment
def shadowed(config: Config):
    begin()

def action():
    with Spearmint.run(shadowed, await_variants=True) as runner:
        runner()
""",
}


@pytest.mark.parametrize("kind", KINDS)
def test_signals_at_any_moment_leave_the_background_whole(program, kind) -> None:
    done = program(f"{COMMON}\n{KINDS[kind]}\nattempts(600, action)\ncheck()\n", deadline=60)
    assert (done.stdout, done.stderr) == ("interrupted\nwhole\n", "")


@pytest.mark.parametrize("kind", TRACED_KINDS)
def test_signals_at_any_moment_lose_and_double_no_trace(program, kind) -> None:
    done = program(
        f"{COMMON}\n{TRACED}\n{TRACED_KINDS[kind]}\nattempts(1000, action)\ncheck()\ncheck_traces()\n", deadline=60
    )
    assert (done.stdout, done.stderr) == ("interrupted\nwhole\nwritten\n", "")


AT_EACH_FUNCTION = """
def interrupt_each_function(action):
    global interrupted
    is_over, place = False, 0
    while not is_over:
        place += 1
        left = place

        def hook(frame, event, _):
            nonlocal left
            if event == "call" and f"{os.sep}spearmint{os.sep}" in frame.f_code.co_filename:
                left -= 1
                if not left:
                    sys.setprofile(None)
                    raise Interruption

        sys.setprofile(hook)
        try:
            action()
            is_over = left > 0
        except Interruption:
            interrupted += 1
        finally:
            sys.setprofile(None)
        current = experiment_case_var.get(), span_var.get()
        assert current == (None, None), (place, current)
    print("interrupted" if interrupted > 10 else f"interrupted {interrupted} times only")
"""


@pytest.mark.parametrize("kind", TRACED_KINDS)
def test_interrupts_as_a_function_begins_lose_no_trace(program, kind) -> None:
    source = f"{COMMON}\n{TRACED}\n{TRACED_KINDS[kind]}\n{AT_EACH_FUNCTION}\naction()\n"
    done = program(f"{source}interrupt_each_function(action)\ncheck()\ncheck_traces()\n", deadline=60)
    assert (done.stdout, done.stderr) == ("interrupted\nwhole\nwritten\n", "")


def test_signals_at_any_moment_lose_no_variant_of_a_loop(program) -> None:
    done = program(f"{COMMON}\n{ASYNC}", deadline=60)
    assert (done.stdout, done.stderr) == ("interrupted\nwhole\n", "")


def test_a_start_of_a_worker_that_is_interrupted_costs_no_worker(program) -> None:
    done = program("""
        from spearmint.execution import workers

        spearmint.configure(background={"max_workers": 1})
        start = workers.start_thread

        def interrupted(*args):
            workers.start_thread = start
            if is_started:
                start(*args)
            raise KeyboardInterrupt

        @shadow.experiment
        def quick(config: Config):
            return config["n"]

        from spearmint.execution.pool import variant_pool
        for is_started in (False, True):
            variant_pool.reset()
            workers.start_thread = interrupted
            try:
                quick()
            except KeyboardInterrupt:
                print(counts())
            quick()
            print(spearmint.flush(10), counts())
    """)
    assert (
        done.stdout.splitlines()
        == ["{'submitted': 1, 'cancelled': 1}", "True {'submitted': 2, 'finished': 1, 'cancelled': 1}"] * 2
    )
    assert done.stderr == ""
