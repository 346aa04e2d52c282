"""Files, folders and globs that have no end are refused with their place, and never waited for."""

import os
import sys
from pathlib import Path
from time import perf_counter, process_time

import pytest

from spearmint.config import iter_configs, parse_configs
from spearmint.config.file_access import MAX_ENTRIES, MAX_FILE_BYTES, files_matching
from spearmint.errors import ConfigError

SECONDS = 2
LOADED_SECONDS = 20  # where other processes take the processor; a wait without end would pass it too

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="FIFOs, devices and links of POSIX")


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def refusal(source):
    start, cpu_start = perf_counter(), process_time()
    with pytest.raises(ConfigError) as caught:
        parse_configs(source)
    assert process_time() - cpu_start < SECONDS
    assert perf_counter() - start < LOADED_SECONDS
    return str(caught.value)


@pytest.mark.parametrize("suffix", ["yaml", "json", "jsonl"])
def test_fifo_is_refused(suffix):
    os.mkfifo(f"a.{suffix}")
    assert refusal(f"a.{suffix}") == (f"a.{suffix}: Cannot read 'a.{suffix}': it is a FIFO. Give a regular file.")
    assert "it is a FIFO" in refusal(".")


@pytest.mark.parametrize("suffix", ["yaml", "json", "jsonl"])
def test_link_to_endless_device_is_refused(suffix):
    Path(f"a.{suffix}").symlink_to("/dev/zero")
    assert f"a.{suffix}: Cannot read 'a.{suffix}': it is a device." in refusal(f"a.{suffix}")


def test_link_that_leads_to_itself_is_refused():
    Path("a.yaml").symlink_to("b.yaml")
    Path("b.yaml").symlink_to("a.yaml")
    assert "Cannot read configs from 'a.yaml'" in refusal("a.yaml")
    assert "a.yaml" in refusal("*.yaml")


@pytest.mark.parametrize("suffix", ["yaml", "json"])
def test_file_beyond_the_limit_is_refused(suffix):
    with Path(f"a.{suffix}").open("wb") as file:
        file.truncate(MAX_FILE_BYTES + 1)
    assert "it is larger than 64 MB. Split it, or stream it as a .jsonl file." in refusal(f"a.{suffix}")


def test_jsonl_line_beyond_the_limit_is_refused():
    with Path("a.jsonl").open("wb") as file:
        file.write(b'{"a": 1}\n')
        file.truncate(MAX_FILE_BYTES + 20)
    assert "a.jsonl:2: Cannot read 'a.jsonl': the line is longer than 64 MB" in refusal("a.jsonl")
    assert next(iter_configs("a.jsonl")) == {"a": 1}


def test_glob_through_link_cycle_is_refused():
    Path("configs/inner").mkdir(parents=True)
    Path("configs/inner/a.yaml").write_text("a: 1")
    Path("configs/inner/back").symlink_to("../../configs")
    message = refusal("configs/**/*.yaml")
    assert message.startswith(
        "configs: Cannot search 'configs/**/*.yaml': the folder 'configs/inner/back' lies in itself"
    )
    assert parse_configs("configs/*/*.yaml") == [{"a": 1}]
    assert parse_configs("configs") == [{"a": 1}]


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs /proc")
@pytest.mark.parametrize("pattern", ["/proc/**", "/proc/**/*.yaml", "/proc/*/*/*/*/*.yaml"])
def test_glob_over_proc_is_refused(pattern):
    assert refusal(pattern).startswith("configs: Cannot ")


def test_search_through_too_many_files_is_refused(monkeypatch):
    monkeypatch.setattr("spearmint.config.file_access.MAX_ENTRIES", 10)
    Path("inner").mkdir()
    for number in range(11):
        Path(f"inner/{number}.yaml").write_text(f"n: {number}")
    for source in (".", "inner", "**/*.yaml", "inner/*.yaml"):
        assert "there are more than 10 files and folders to look at. Name the folders more closely." in refusal(source)
    assert MAX_ENTRIES == 100_000


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.yaml", ["a.yaml"]),
        ("**/*.yaml", ["a.yaml", "linked/c.yaml", "one/b.yaml", "one/two/c.yaml"]),
        ("one/**/*.yaml", ["one/b.yaml", "one/two/c.yaml"]),
        ("**/two/*", ["one/two/c.yaml"]),
        ("*/*.yaml", ["linked/c.yaml", "one/b.yaml"]),
        ("one/**", ["one/b.yaml", "one/two", "one/two/c.yaml"]),
        (".h*/*.yaml", [".hidden/d.yaml"]),
        ("one/[!x].yaml", ["one/b.yaml"]),
        ("./one//?.yaml", ["one/b.yaml"]),
        ("one/../*.yaml", ["one/../a.yaml"]),
        ("none/*.yaml", []),
        ("a.yaml/*", []),
    ],
)
def test_glob_finds_what_the_standard_library_finds(pattern, names):
    for folder in ("one/two", ".hidden"):
        Path(folder).mkdir(parents=True)
    for name in ("a.yaml", "one/b.yaml", "one/two/c.yaml", ".hidden/d.yaml", "one/.e.yaml"):
        Path(name).write_text("a: 1")
    Path("linked").symlink_to("one/two")
    assert sorted(map(str, files_matching(pattern, Path(), "configs"))) == names
    absolute = sorted(map(str, files_matching(str(Path.cwd() / pattern), Path(), "configs")))
    assert absolute == [str(Path.cwd() / name) for name in names]
