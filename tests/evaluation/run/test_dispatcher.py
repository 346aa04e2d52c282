import threading
from concurrent.futures import Future
from queue import SimpleQueue

from spearmint.evaluation.dataset import Row
from spearmint.evaluation.run.cell import Cell, CellResult
from spearmint.evaluation.run.chunk import ChunkResult
from spearmint.evaluation.run.dispatcher import Dispatcher, workers_of

RESULT = CellResult(0.0, None, {}, {}, None)


def cells(count):
    return iter([Cell(0, Row(number, "", {}, {}), 0) for number in range(count)])


def run(submit, count=1000, **options):
    dispatcher = Dispatcher(submit, **{"at_once": 2, "seconds": 1.0, **options})
    return [cell.row.number for chunk, _ in dispatcher.run(cells(count), count) for cell in chunk]


def ended(seconds_per_cell, sizes, most=None):
    def submit(chunk):
        sizes.append(len(chunk))
        done = chunk[:most]
        future = Future()
        future.set_result(ChunkResult(seconds_per_cell * len(done), [RESULT] * len(done)))
        return future

    return submit


def test_chunks_of_quick_cells_grow_and_shrink_towards_the_end():
    sizes = []
    assert sorted(run(ended(0.0001, sizes))) == list(range(1000))
    assert sizes[0] == 1
    assert max(sizes) > 50
    assert sizes[-1] == 1


def test_slow_cells_are_handed_over_one_by_one():
    sizes = []
    assert run(ended(5.0, sizes), 20) == list(range(20))
    assert set(sizes) == {1}


def test_cells_given_back_for_want_of_time_run_once():
    sizes = []
    assert sorted(run(ended(0.0001, sizes, most=3))) == list(range(1000))
    assert max(sizes) > 3


def test_light_cells_run_one_chunk_at_a_time():
    sizes, under_way, most = [], [0], []

    def submit(chunk):
        under_way[0] += 1
        most.append(under_way[0])
        return ended(0.0001, sizes)(chunk)

    dispatcher = Dispatcher(submit, at_once=8, seconds=1.0, narrows=True)
    for _ in dispatcher.run(cells(1000), 1000):
        under_way[0] -= 1
    assert max(most) == 2  # and one that waits, for no pause between them


def test_one_slow_cell_among_light_ones_holds_up_none():
    submitted = SimpleQueue()

    def submit(chunk):
        future = Future()
        submitted.put((future, chunk))
        return future

    def work():
        slow = []
        while (job := submitted.get()) is not None:
            future, chunk = job
            if chunk[0].row.number == 0:
                slow.append(job)
                continue
            future.set_result(ChunkResult(1.0, [RESULT] * len(chunk)))
            if chunk[-1].row.number == 99:
                slow[0][0].set_result(ChunkResult(5.0, [RESULT]))

    threading.Thread(target=work, daemon=True).start()
    dispatcher = Dispatcher(submit, at_once=3, seconds=1.0, narrows=True)
    order = [cell.row.number for chunk, _ in dispatcher.run(cells(100), 100) for cell in chunk]
    submitted.put(None)
    assert sorted(order) == list(range(100))
    assert order[-1] == 0


def test_an_executor_that_tells_its_workers_is_believed():
    class Pool:
        _max_workers = 7

    assert workers_of(Pool()) == 7
    assert workers_of(object()) is None
