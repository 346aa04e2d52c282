"""YAML, JSON and JSONL files, and the place of every error in them."""

import subprocess
import sys
from time import perf_counter

import pytest

from spearmint.config import parse_configs
from spearmint.config.yaml_loader import load_mapping
from spearmint.errors import ConfigError


@pytest.fixture
def read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def write_and_read(content, name="a.yaml"):
        (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return parse_configs(name)

    return write_and_read


@pytest.fixture
def refusal(read):
    def read_and_fail(content, name="a.yaml"):
        with pytest.raises(ConfigError) as caught:
            read(content, name)
        return str(caught.value)

    return read_and_fail


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("12:30", "12:30"),
        ("2024-02-01", "2024-02-01"),
        ("1_000", "1_000"),
        ("1e-3", 0.001),
        ("1.10", 1.1),
        (".5", 0.5),
        ("-.INF", float("-inf")),
        ("0o17", 15),
        ("010", 10),
        ("0x1F", 31),
        ("-3", -3),
        ("true", True),
        ("FALSE", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'true'", "true"),
        ('"1"', "1"),
        ("! 1", "1"),
        ("!!str 1", "1"),
        ("!!float 1", 1.0),
        ("!!int '1'", 1),
        ("!!map {b: !!seq [1]}", {"b": [1]}),
        ("|\n  two\n  lines\n", "two\nlines\n"),
    ],
)
def test_yaml_scalars_mean_what_yaml_1_2_says(read, text, value):
    (config,) = read(f"a: {text}")
    assert config == {"a": value}
    assert type(config["a"]) in (type(value), type(config))


def test_yaml_merges_mappings(read):
    (config,) = read(
        "base: &b {x: 1, y: 2}\nother: &o {y: 3, z: 4}\none: {<<: *b, y: 5}\nboth: {<<: [*b, *o]}\n'<<': 1\n"
    )
    assert config.one == {"x": 1, "y": 5}
    assert config.both == {"x": 1, "y": 2, "z": 4}
    assert config["<<"] == 1


def test_yaml_aliases_share_nothing_mutable(read):
    (config,) = read("a: &a {k: [1]}\nb: *a\nc: [*a]\n")
    config.a.k.append(2)
    assert config == {"a": {"k": [1, 2]}, "b": {"k": [1]}, "c": [{"k": [1]}]}


def test_yaml_is_read_alike_without_the_c_parser(read, refusal, monkeypatch):
    import yaml

    text = "a: &a {x: [1, no], y: !sweep [1e-3, '2']}\nb: {<<: *a, z: ~}\nc: !range {stop: 2}\nd: |\n  é\n"
    expected = read(text)
    monkeypatch.setattr("spearmint.config.yaml_loader._LOADER", yaml.SafeLoader)
    assert read(text) == expected
    assert "a.yaml:2:2: Cannot read YAML: while parsing a flow sequence" in refusal("a: [1\nb: 2\n")
    assert "more than 200,000 values" in refusal(f"a: &a [{'x,' * 999}]\nb: &b [{'*a,' * 300}]\n")


def test_yaml_sweeps_are_tags(read):
    configs = read("a: !sweep [1, {b: !sweep [2, 3]}]\nc: !range {start: 0, stop: 4, step: 2}\n")
    assert configs == [{"a": a, "c": c} for a in (1, {"b": 2}, {"b": 3}) for c in (0, 2)]


def test_yaml_tuple_is_a_tag(read):
    (config,) = read("a: !tuple [1, [2]]\nb: !tuple []\n")
    assert config.a == (1, [2])
    assert config.b == ()
    assert [one.a for one in read("a: !tuple [1, !sweep [2, 3]]")] == [(1, 2), (1, 3)]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.yaml", "- {a: 1}\n- a: !sweep [2, 3]\n"),
        ("a.yaml", "a: 1\n---\na: 2\n---\na: 3\n...\n"),
        ("a.yaml", "- a: 1\n---\n- a: 2\n- a: 3\n"),
        ("a.json", '[{"a": 1}, {"a": {"$sweep": [2, 3]}}]'),
        ("a.json", '{"a": 1}\n{"a": 2} [{"a": 3}]\n'),
    ],
)
def test_file_may_hold_several_configs(read, name, text):
    assert read(text, name) == [{"a": 1}, {"a": 2}, {"a": 3}]


def test_configs_of_one_file_are_told_apart_by_their_lines(refusal):
    message = refusal("- {__config_id__: x, a: 1}\n- {__config_id__: x, a: 2}\n")
    assert "those from a.yaml:1 and a.yaml:2 differ in 'a', but both have the id 'x'" in message


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize(("name", "text"), [("a.yaml", "a: é"), ("a.json", '{"a": "é"}')])
def test_a_byte_order_mark_is_no_obstacle(read, name, text, encoding):
    assert read(text.encode(encoding), name) == [{"a": "é"}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.yaml:1:1: Cannot read YAML: the file is empty"),
        ("# nothing\n", "a.yaml:1:1: Cannot read YAML: the file is empty"),
        ("---\n", "a.yaml:2:1: Cannot read YAML: the document is empty. Write a mapping, or a list"),
        ("a: 1\n---\n", "a.yaml:3:1: Cannot read YAML: the document is empty"),
        ("[]", "a.yaml:1:1: Cannot read YAML: its list is empty. Write a mapping, or a list of mappings."),
        ("- {a: 1}\n-   2\n", "a.yaml:2:5: Cannot read YAML: item 1 of its list is no mapping but of type int"),
        (
            "a: 1\n---\n- a: 1\n- [2]\n",
            "a.yaml:4:3: Cannot read YAML: item 1 of its list is no mapping but of type list",
        ),
        ("a: &x 1\n---\nb: *x\n", "a.yaml:3:4: Cannot read YAML: nothing before has the anchor 'x'"),
        ("\n  word\n", "a.yaml:2:3: Cannot read YAML: its top level is no mapping but of type str"),
        ("a: 1\nb: 2\na: 3\n", "a.yaml:3:1: Cannot read YAML: the key 'a' is there twice, first in line 1"),
        ("x: {a: 1, a: 2}\n", "a.yaml:1:11: Cannot read YAML: the key 'a' is there twice"),
        ("a: [1\nb: 2\n", "a.yaml:2:2: Cannot read YAML: while parsing a flow sequence"),
        ("a:\n\t- 1\n", "a.yaml:2:1: Cannot read YAML: while scanning for the next token"),
        ("? [1]\n: 2\n", "a.yaml:1:3: Cannot read YAML: a key is a collection"),
        ("a: !foo 1", "a.yaml:1:4: Cannot read YAML: the tag '!foo' does not belong on this value"),
        ("a: !!python/object/apply:os.system [x]", "the tag '!!python/object/apply:os.system' does not belong"),
        ("a: !sweep 3", "the tag '!sweep' does not belong"),
        ("a: !range [1]", "the tag '!range' does not belong"),
        ("a: !!int x", "a.yaml:1:4: Cannot read YAML: 'x' does not fit the tag '!!int'"),
        ("a: *b", "a.yaml:1:4: Cannot read YAML: nothing before has the anchor 'b'"),
        ("a: &a [*a]", "a.yaml:1:8: Cannot read YAML: the value with the anchor 'a' contains itself"),
        ("a: {<<: 1}", "a.yaml:1:9: Cannot read YAML: << has something other than mappings"),
        ("a: {<<: !sweep [{b: 1}]}", "<< has something other than mappings"),
        ("a: 1\nb: x\x07", r"a.yaml:2:5: Cannot read YAML: it holds the unprintable character '\x07'"),
        (f"a: {'9' * 5000}", "a.yaml:1:4: Cannot read YAML: Exceeds the limit"),
        (
            "a: !sweep []",
            "a.yaml:1:4: Cannot read YAML: there is nothing to choose from. Give the sweep at least one value",
        ),
        ("b: 1\na: !sweep [1, {b: !sweep []}]", "a.yaml:2:19: Cannot read YAML: there is nothing to choose from"),
        ("b:\n  a: {$sweep: []}", "a.yaml:2:3: Cannot expand 'b.a': there is nothing to choose from"),
        ("- b: 1\n- a: {$range: 3}", "a.yaml:2:3: Cannot expand 'a': '$range' has 3. Give it a mapping"),
        ("a: !range {start: 0, stop: 3, step: 0}", "a.yaml:1:4: Cannot read YAML: the range's step is 0"),
        (
            "b: 1\nk: !range {stop: 1000000000000000000000000000}",
            "a.yaml:2:1: Cannot expand 'k': the sweeps make some 10^27",
        ),
        ("a: !tuple {b: 1}", "a.yaml:1:4: Cannot read YAML: the tag '!tuple' does not belong on this value"),
        ("? !tuple [1]\n: 2\n", "a.yaml:1:3: Cannot read YAML: a key is a collection"),
        ("a: !range {end: 1}", "a.yaml:1:4: Cannot read YAML: the range has an unknown key 'end'. The keys are start"),
        ("__config_id__: 5", "a.yaml:1:1: Cannot use 5 as '__config_id__': an id is a non-empty string. Quote it"),
        (b"a: 1\nb: \xc3\xa9\xff\n", "a.yaml:2:5: Cannot read text: byte 0xff is no UTF-8"),
    ],
)
def test_bad_yaml_is_refused_at_its_place(refusal, text, message):
    assert message in refusal(text)


def test_the_error_carries_file_line_and_column(read):
    with pytest.raises(ConfigError) as caught:
        read("a: 1\na: 2\n")
    assert (caught.value.source, caught.value.line, caught.value.column) == ("a.yaml", 2, 1)


def test_an_alias_bomb_is_refused_at_once(refusal):
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]" for before, name in zip("abcdefg", "bcdefgh", strict=True)
    ]
    refusal("a: &a [*a]")  # so that yaml is imported
    start = perf_counter()
    assert "more than 200,000 values once its aliases are written out" in refusal("\n".join(lines))
    assert perf_counter() - start < 0.1


@pytest.mark.slow
def test_a_file_of_too_many_values_is_refused(refusal):
    assert "more than 200,000 values" in refusal(f"a: [{'1,' * 200_001}]")


@pytest.mark.slow
@pytest.mark.parametrize("nesting", ["[", "{a: ", "\n- "[1:], "? "])
def test_deep_nesting_is_refused_without_a_crash(tmp_path, nesting):
    path = tmp_path / "deep.yaml"
    path.write_text("a:\n" * (nesting in "- ? ") + ("a: " if nesting in "[{a: " else "") + nesting * 100_000)
    code = (
        "import sys\nfrom spearmint.config import parse_configs\nfrom spearmint.errors import ConfigError\n"
        "try:\n    parse_configs(sys.argv[1])\nexcept ConfigError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, timeout=60, check=True)
    assert "nested deeper than 100 levels" in done.stdout


@pytest.mark.slow
def test_reading_json_does_not_import_yaml(tmp_path):
    path = tmp_path / "a.json"
    path.write_text('{"a": 1}')
    code = (
        "import sys\nfrom spearmint.config import parse_configs\n"
        "parse_configs(sys.argv[1])\nassert not {'yaml', 'mlflow'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", code, path], timeout=60, check=True)


def test_json_says_sweeps_too(read):
    configs = read('{"a": {"$sweep": [1, 2]}, "b": {"$range": {"stop": 2}}}', "a.json")
    assert configs == [{"a": a, "b": b} for a in (1, 2) for b in (0, 1)]


def test_json_may_hold_nan(read):
    (config,) = read('{"a": NaN}', "a.json")
    assert config.a != config.a


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "a.json:1:1: Cannot read JSON: the file is empty"),
        ("\n [1]", "a.json:2:3: Cannot read JSON: item 0 of its list is no mapping but of type int"),
        ("[ ]", "a.json:1:1: Cannot read JSON: its list is empty. Write a mapping into it"),
        ('[{"a": 1}\n {"a": 2}]', "a.json:2:2: Cannot read JSON: expecting ',' delimiter"),
        ('[{"a": 1},\n {"a": 2, "a": 3}]', "a.json:2:11: Cannot read JSON: the key 'a' is there twice"),
        ('{"a": 1}\n3', "a.json:2:1: Cannot read JSON: its top level is no mapping but of type int"),
        ('[{"a": 1},\n {"b": {"$sweep": []}}]', "a.json:2:2: Cannot expand 'b'"),
        ('{"a": 1,\n "b": {"k": 1, "k": 2}}', "a.json:2:16: Cannot read JSON: the key 'k' is there twice"),
        ('{"a:,": ["}"], "b": {"a:,": 1}, "a:,": 2}', "a.json:1:33: Cannot read JSON: the key 'a:,' is there twice"),
        ('{"a": 1,\n 2}', "a.json:2:2: Cannot read JSON: expecting property name"),
        (f'{{"a": {"[" * 100_000}', "Cannot read JSON: it is nested too deeply"),
        (f'{{"a": {"[" * 300 + "]" * 300}}}', "nested deeper than 100 levels"),
        (f'{{"a": {"9" * 5000}}}', "Cannot read JSON: Exceeds the limit"),
        (b'{"a":\n "\xff"}', "a.json:2:3: Cannot read text: byte 0xff is no UTF-8"),
    ],
)
def test_bad_json_is_refused_at_its_place(refusal, text, message):
    assert message in refusal(text, "a.json")


def test_jsonl_has_one_mapping_in_each_line_that_is_not_blank(read):
    configs = read('\ufeff{"a": 1}\r\n\n  \n{"a": {"$sweep": [2, 3]}}', "a.jsonl")
    assert configs == [{"a": 1}, {"a": 2}, {"a": 3}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1}\n\n{"a": \n', "a.jsonl:3:6: Cannot read JSON: expecting value"),
        ('{"a": 1}\n{"a": 2', "a.jsonl:2:8: Cannot read JSON: expecting ',' delimiter"),
        ('{"a": 1} {"a": 2}\n', "a.jsonl:1:10: Cannot read JSON: there is more after the mapping"),
        ('{"a": 1}\n[1]\n', "a.jsonl:2:1: Cannot read JSON: its top level is no mapping but of type list"),
        ('{"a": 1}\n{"b": 1, "b": 1}\n', "a.jsonl:2:10: Cannot read JSON: the key 'b' is there twice"),
        ('{"a": 1}\n{"b": {"$sweep": []}}\n', "a.jsonl:2:1: Cannot expand 'b'"),
        (b'{"a": 1}\n{"b": "\xff"}\n', "a.jsonl:2:8: Cannot read text: byte 0xff"),
    ],
)
def test_bad_jsonl_is_refused_at_the_line_of_the_file(refusal, text, message):
    assert message in refusal(text, "a.jsonl")


@pytest.mark.parametrize("name", ["a.toml", "a"])
def test_an_unknown_suffix_is_refused(refusal, name):
    assert "is not known. Use .yaml, .yml, .json, .jsonl." in refusal("a = 1", name)


def test_marks_tell_where_the_values_of_a_yaml_file_stand():
    marks = {}
    text = "a: 1\nb:\n  - x\n  - {c: !sweep [1,\n     2]}\n'd e': *none\n".replace(": *none", ": &n {f: 2}\ng: *n")
    load_mapping(text, "a.yaml", marks)
    assert marks == {
        ("a",): (1, 1),
        ("b",): (2, 1),
        ("b", 0): (3, 5),
        ("b", 1): (4, 5),
        ("b", 1, "c"): (4, 6),
        ("b", 1, "c", 0): (4, 17),
        ("b", 1, "c", 1): (5, 6),
        ("d e",): (6, 1),
        ("d e", "f"): (6, 12),
        ("g",): (7, 1),
    }


def test_file_tag_is_the_text_of_a_file_as_it_stands(tmp_path):
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "short.txt").write_bytes("Fasse dich kurz: \u00fc\r\n\n".encode())
    (tmp_path / "a.yaml").write_text("text: !file prompts/short.txt\nall: [!file prompts/short.txt]\n")

    (config,) = parse_configs(tmp_path / "a.yaml")

    assert config == {"text": "Fasse dich kurz: \u00fc\r\n\n", "all": ["Fasse dich kurz: \u00fc\r\n\n"]}


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("a: !file missing.txt", "a.yaml:1:4: Cannot read YAML: '{folder}/missing.txt': No such file or directory."),
        ("a: 1\nb: !file latin.txt", "a.yaml:2:4: Cannot read YAML: '{folder}/latin.txt' is no text: byte 0xfc is no"),
        ("a: !file [x]", "a.yaml:1:4: Cannot read YAML: the tag '!file' does not belong on this value"),
        ("a: !file .", "Is a directory"),
    ],
)
def test_file_tag_that_leads_to_no_text_is_refused(tmp_path, text, cause):
    (tmp_path / "latin.txt").write_bytes("\u00fc".encode("latin-1"))
    (tmp_path / "a.yaml").write_text(text)

    with pytest.raises(ConfigError) as caught:
        parse_configs(tmp_path / "a.yaml")

    assert cause.format(folder=tmp_path) in str(caught.value)
