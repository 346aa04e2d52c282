import errno
import json
import os

import pytest

from spearmint.online.journal import RecordJournal


def lines_of(folder):
    return {path.name: path.read_text(encoding="utf-8").splitlines() for path in sorted(folder.glob("*"))}


def record(number, size=50):
    return {"type": "exposure", "number": number, "padding": "x" * size}


def test_files_are_made_with_the_first_record(tmp_path):
    journal = RecordJournal(str(tmp_path / "a" / "b"), 1000)
    assert not (tmp_path / "a").exists()
    assert journal.write([record(1)]) == (1, None)
    ((name, lines),) = lines_of(tmp_path / "a" / "b").items()
    assert name == f"{journal.process}.0000.jsonl"
    assert [json.loads(line)["number"] for line in lines] == [1]
    journal.close()


def test_files_are_rotated_by_size_between_records(tmp_path):
    journal = RecordJournal(str(tmp_path), 300)
    assert journal.write([record(number) for number in range(5)]) == (5, None)
    assert journal.write([record(number) for number in range(5, 20)]) == (15, None)
    journal.close()
    found = lines_of(tmp_path)
    assert all(path.stat().st_size <= 300 for path in tmp_path.iterdir())
    assert len(found) > 5
    assert [json.loads(line)["number"] for lines in found.values() for line in lines] == list(range(20))


def test_a_record_larger_than_a_file_has_one_of_its_own(tmp_path):
    journal = RecordJournal(str(tmp_path), 100)
    assert journal.write([record(0), record(1, size=1000), record(2)]) == (3, None)
    journal.close()
    assert [len(lines) for lines in lines_of(tmp_path).values()] == [1, 1, 1]


def test_two_journals_share_no_file(tmp_path):
    journals = [RecordJournal(str(tmp_path), 1000) for _ in range(20)]
    for journal in journals:
        journal.write([record(1)])
        journal.close()
        journal.close()
    assert len(list(tmp_path.iterdir())) == 20


def test_working_directory_may_change(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    journal = RecordJournal("journal", 1000)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    journal.write([record(1)])
    journal.close()
    assert len(list((tmp_path / "journal").iterdir())) == 1


def test_what_a_full_disk_tears_is_taken_back(tmp_path, monkeypatch):
    journal = RecordJournal(str(tmp_path), 10_000)
    assert journal.write([record(0)]) == (1, None)
    room = [250]
    write = os.write

    def write_while_there_is_room(file, data):
        taken = min(room[0], len(data))
        if not taken:
            raise OSError(errno.ENOSPC, "No space left on device")
        room[0] -= taken
        return write(file, data[:taken])

    monkeypatch.setattr(os, "write", write_while_there_is_room)
    taken, error = journal.write([record(number) for number in range(1, 6)])
    assert (taken, error.errno) == (2, errno.ENOSPC)
    assert journal.write([record(9)])[0] == 0
    room[0] = 10_000
    assert journal.write([record(6)]) == (1, None)
    journal.close()
    ((_, lines),) = lines_of(tmp_path).items()
    assert [json.loads(line)["number"] for line in lines] == [0, 1, 2, 6]


def test_a_torn_line_that_stays_is_the_last_of_its_file(tmp_path, monkeypatch):
    journal = RecordJournal(str(tmp_path), 10_000)
    write = os.write
    monkeypatch.setattr(os, "ftruncate", lambda *_: (_ for _ in ()).throw(OSError()))
    torn = iter([True])

    def tear(file, data):
        if next(torn, False):
            return write(file, data[:20])
        monkeypatch.setattr(os, "write", write)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "write", tear)
    assert journal.write([record(0)])[0] == 0
    assert journal.write([record(1)]) == (1, None)
    journal.close()
    first, second = (path.read_text(encoding="utf-8") for path in sorted(tmp_path.iterdir()))
    assert "\n" not in first
    assert json.loads(second)["number"] == 1


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="it is about permissions")
def test_a_folder_that_cannot_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    taken, error = RecordJournal(str(tmp_path / "journal"), 1000).write([record(0)])
    assert (taken, type(error)) == (0, PermissionError)


def test_a_file_in_place_of_the_folder_is_told(tmp_path):
    (tmp_path / "journal").write_text("")
    taken, error = RecordJournal(str(tmp_path / "journal"), 1000).write([record(0)])
    assert (taken, type(error)) == (0, FileExistsError)
