import threading

from spearmint.online.reload import Reloader, Staged


class SlowSource:
    """A source whose files take long to check."""

    def __init__(self, path):
        self.path = path
        self.begun, self.ended = threading.Event(), threading.Event()

    def files(self):
        return [self.path]

    def stage(self):
        self.begun.set()
        assert self.ended.wait(30)
        return Staged()


def test_stats_do_not_wait_for_a_reload_that_is_under_way(tmp_path):
    file = tmp_path / "settings.yaml"
    file.write_text("limit: 1")
    source, reloader = SlowSource(file), Reloader()
    reloader.add(source, None)
    taking = threading.Thread(target=reloader.reload)
    taking.start()
    assert source.begun.wait(30)
    told = []
    asking = threading.Thread(target=lambda: told.append(reloader.stats()))

    asking.start()
    asking.join(5)
    was_told = list(told)
    source.ended.set()
    taking.join(30)
    asking.join(30)

    assert [stats.loaded for stats in was_told] == [0]
