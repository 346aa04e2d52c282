import os
import select

import pytest

from spearmint.online.file_lock import FileLock

fcntl = pytest.importorskip("fcntl")


def is_free(path):
    try:
        FileLock(path, waits=False).release()
    except BlockingIOError:
        return False
    return True


def test_one_holds_a_lock_until_it_lets_go(tmp_path):
    path = tmp_path / "a.lock"
    lock = FileLock(path)
    assert not is_free(path)
    lock.release()
    lock.release()
    assert is_free(path)
    with FileLock(path):
        assert not is_free(path)
    assert is_free(path)


def test_file_that_cannot_be_opened_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        FileLock(tmp_path / "nowhere" / "a.lock")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # of forks beside threads
def test_child_of_a_fork_does_not_hold_its_parents_lock(tmp_path):
    path = tmp_path / "a.lock"
    lock = FileLock(path)
    mine, childs = os.pipe()
    child = os.fork()
    if not child:
        os.write(childs, b"x")
        select.select([mine], [], [], 60)  # It lives on while its parent lets go.
        os._exit(0)
    assert os.read(mine, 1) == b"x"
    os.close(lock._file)  # As a kill would, without a word to the system but this.
    assert is_free(path)
    os.kill(child, 9)
    os.waitpid(child, 0)
    os.close(mine)
    os.close(childs)
