"""``spearmint configs``: the table, JSON, ids, and how much of a sweep is expanded."""

import json

from spearmint.config import generate_config_id

SWEEP = """
    llm: {temperature: !sweep [0, 0.5], model: x}
    k: !range {start: 1, stop: 3}
"""


def test_table_has_ids_differing_and_shared_values(invoke, write):
    write(a___yaml=SWEEP)
    lines = invoke("configs", "a.yaml").stdout.splitlines()
    assert lines[0].strip() == "4 configs"
    assert lines[1].split() == ["id", "llm.temperature", "k"]
    first = generate_config_id({"llm": {"temperature": 0, "model": "x"}, "k": 1})
    assert lines[2].split() == [first, "0", "1"]
    assert [line.split()[1:] for line in lines[3:6]] == [["0", "2"], ["0.5", "1"], ["0.5", "2"]]
    assert lines[6] == "All of them: llm.model=x"


def test_single_config_is_whole_and_missing_value_is_a_dash(invoke, write):
    write(a___yaml="a: {b: [1, 2], c: [{d: true}]}", b___json='{"__config_id__": "mine", "a": 1}')
    lines = invoke("configs", "a.yaml").stdout.splitlines()
    assert lines[0].strip() == "1 config"
    assert lines[-1] == "a.b=[1, 2]  a.c.0.d=true"
    lines = invoke("configs", "a.yaml", "b.json").stdout.splitlines()
    assert lines[1].split() == ["id", "a.b", "a.c.0.d", "a"]
    assert lines[3].split() == ["mine", "-", "-", "1"]


def test_many_differences_stand_in_one_column(invoke, write):
    write(a___jsonl='{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"h":1,"i":1}\n{"a":2,"j":"x"}\n')
    lines = [line.rstrip() for line in invoke("configs", "a.jsonl").stdout.splitlines()]
    assert lines[2].endswith("a=1  b=1  c=1  d=1  e=1  f=1  g=1  h=1  i=1")
    assert lines[3].endswith("a=2  j=x")


def test_json_holds_ids_and_configs(invoke, write):
    write(a___yaml=SWEEP)
    entries = json.loads(invoke("configs", "a.yaml", "--format", "json").stdout)
    assert [entry["config"]["k"] for entry in entries] == [1, 2, 1, 2]
    assert all(entry["id"] == generate_config_id(entry["config"]) for entry in entries)
    assert invoke("configs", "a.yaml", "--format", "ids").stdout.split() == [entry["id"] for entry in entries]


def test_huge_sweep_is_listed_up_to_the_limit(invoke, write):
    write(a___yaml="\n".join(f"{key}: !range {{start: 0, stop: 1000}}" for key in "abc"))
    result = invoke("configs", "a.yaml", "--format", "ids", "--limit", "3")
    assert len(result.stdout.split()) == 3
    assert result.stderr == "There are more than 3; --limit 0 lists all of them.\n"
    assert len(invoke("configs", "a.yaml", "--format", "ids").stdout.split()) == 100


def test_all_configs_are_listed_without_a_limit(invoke, write):
    write(a___yaml="a: !range {start: 0, stop: 101}")
    assert len(invoke("configs", "a.yaml", "--format", "ids", "--limit", "0").stdout.split()) == 101
    assert invoke("configs", "a.yaml", "--limit", "101").stderr == ""


def test_two_configs_under_one_id_are_refused(invoke, write):
    write(a___yaml="{__config_id__: x, a: 1}", b___yaml="{__config_id__: x, a: 2}")
    result = invoke("configs", "a.yaml", "b.yaml")
    assert result.exit_code == 1
    assert "Cannot tell two configs apart" in result.stderr


def test_text_in_a_config_is_no_markup(invoke, write):
    write(a___yaml="a: !sweep ['[red]x[/red]', '[/]']")
    lines = invoke("configs", "a.yaml").stdout.splitlines()
    assert [line.split()[1] for line in lines[2:]] == ["[red]x[/red]", "[/]"]


def test_immense_sweep_without_limit_is_refused(invoke, write):
    write(a___yaml="k: !range {stop: 1000000000000000000000000000}")
    assert invoke("configs", "a.yaml", "--format", "ids", "--limit", "2").exit_code == 0
    result = invoke("configs", "a.yaml", "--limit", "0")
    assert result.exit_code == 1
    assert "a.yaml:1:1: Cannot expand 'k': the sweeps make some 10^27 configs" in result.stderr


def test_file_of_several_configs_lists_each(invoke, write):
    write(a___yaml="- {k: 1}\n- {k: !sweep [2, 3], __config_id__: 'k{k}'}\n---\nk: 4\n")
    ids = invoke("configs", "a.yaml", "--format", "ids").stdout.split()
    assert ids == [generate_config_id({"k": 1}), "k2", "k3", generate_config_id({"k": 4})]


def test_secrets_are_masked_in_every_form(invoke, write):
    write(a___yaml="llm: {api_key: !sweep [k-111111, k-222222]}\ndb: postgresql://ann:pw-333333@db/shop\n")
    for form in ("table", "json"):
        text = invoke("configs", "a.yaml", "--format", form).stdout
        assert [one for one in ("k-111111", "k-222222", "pw-333333") if one in text] == []
        assert text.count("**********") >= 3
    assert "llm.api_key" in invoke("configs", "a.yaml").stdout.splitlines()[1]
