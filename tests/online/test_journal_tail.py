import json

from spearmint.online.journal_tail import JournalTail


def line(number):
    return json.dumps({"type": "exposure", "n": number}) + "\n"


def numbers(records):
    return [record["n"] for record in records]


def test_tail_reads_what_was_added_since(tmp_path):
    tail = JournalTail(tmp_path)
    assert tail.read() == []
    assert tail.is_at_end
    one, other = tmp_path / "a.0000.jsonl", tmp_path / "b.0000.jsonl"
    one.write_text(line(1) + line(2), encoding="utf-8")
    assert numbers(tail.read()) == [1, 2]
    other.write_text(line(3), encoding="utf-8")
    with one.open("a", encoding="utf-8") as file:
        file.write(line(4))
    (tmp_path / "state.json").write_text("{}", encoding="utf-8")
    assert numbers(tail.read()) == [4, 3]
    assert tail.read() == []


def test_torn_line_waits_for_its_rest(tmp_path):
    tail, path = JournalTail(tmp_path), tmp_path / "a.0000.jsonl"
    path.write_text(line(1) + line(2)[:10], encoding="utf-8")
    assert numbers(tail.read()) == [1]
    assert tail.is_at_end
    assert tail.read() == []
    with path.open("a", encoding="utf-8") as file:
        file.write(line(2)[10:])
    assert numbers(tail.read()) == [2]


def test_long_journals_are_read_in_parts(tmp_path):
    for name in "abc":
        (tmp_path / f"{name}.jsonl").write_text("".join(map(line, range(10))), encoding="utf-8")
    tail = JournalTail(tmp_path)
    found, looks = [], 0
    while not tail.is_at_end:
        found += numbers(tail.read(100))
        looks += 1
    assert sorted(found) == sorted([*range(10)] * 3)
    assert looks > 5


def test_line_longer_than_a_part_is_read_whole(tmp_path):
    text = json.dumps({"n": 1, "long": "x" * 500}) + "\n"
    (tmp_path / "a.jsonl").write_text(text + line(2), encoding="utf-8")
    tail = JournalTail(tmp_path)
    assert numbers(tail.read(100)) == [1]
    assert not tail.is_at_end
    assert numbers(tail.read(100)) == [2]


def test_what_is_no_record_is_counted(tmp_path):
    (tmp_path / "a.jsonl").write_text("nonsense\n7\n" + line(1), encoding="utf-8")
    tail = JournalTail(tmp_path)
    assert numbers(tail.read()) == [1]
    assert tail.unreadable == 2
