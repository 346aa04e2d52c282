"""What files hold is told by content, whatever their times say."""

import os

import pytest

from spearmint.online.fingerprints import FileFingerprints


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "settings.yaml"
    path.write_text("a: 1")
    os.utime(path, (1, 1))
    return path


def test_fingerprint_is_that_of_the_content(file):
    first = FileFingerprints().of([file])
    assert FileFingerprints().of([file]) == first
    file.write_text("a: 2")
    assert FileFingerprints().of([file]) != first


def test_change_of_equal_time_and_size_is_seen(file):
    prints = FileFingerprints()
    first = prints.of([file])
    file.write_text("a: 2")
    os.utime(file, (1, 1))
    assert prints.of([file]) != first


def test_renamed_file_of_equal_time_is_seen(file, tmp_path):
    prints = FileFingerprints()
    first = prints.of([file])
    other = tmp_path / "other.yaml"
    other.write_text("a: 2")
    os.utime(other, (1, 1))
    other.replace(file)
    assert prints.of([file]) != first


def test_swap_of_the_folder_behind_a_link_is_seen(tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "settings.yaml").write_text(f"name: {name}")
    (tmp_path / "..data").symlink_to("one")
    (tmp_path / "settings.yaml").symlink_to("..data/settings.yaml")
    prints = FileFingerprints()
    first = prints.of([tmp_path / "settings.yaml"])
    (tmp_path / "..data_tmp").symlink_to("two")
    (tmp_path / "..data_tmp").replace(tmp_path / "..data")
    assert prints.of([tmp_path / "settings.yaml"]) != first


def test_missing_file_differs_from_an_empty_one(file):
    prints = FileFingerprints()
    file.write_text("")
    empty = prints.of([file])
    file.unlink()
    missing = prints.of([file])
    assert missing != empty
    assert prints.of([]) not in (missing, empty)


@pytest.mark.skipif(os.name != "posix", reason="elsewhere a file is read each time")
def test_file_that_has_long_been_the_same_is_not_read(file, monkeypatch):
    prints = FileFingerprints()
    monkeypatch.setattr("spearmint.online.fingerprints.time", lambda: file.stat().st_ctime + 10)
    first = prints.of([file])
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda path: pytest.fail(f"{path} is read"))
    assert prints.of([file]) == first


def test_file_that_has_just_changed_is_read_again(file, monkeypatch):
    prints = FileFingerprints()
    monkeypatch.setattr("spearmint.online.fingerprints.time", lambda: file.stat().st_ctime + 1)
    first = prints.of([file])
    monkeypatch.setattr("pathlib.Path.read_bytes", lambda _: b"a: 2")
    assert prints.of([file]) != first
