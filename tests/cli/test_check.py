"""``spearmint check``: every error with its place, and nothing of the user's runs."""

import os
import py_compile
import shutil
import sys
import zipfile

import pytest

from spearmint.discovery import cpython

SHOP = {
    "shop____init_____py": "raise SystemExit('imported')\nfrom shop.rank import score",
    "shop__rank___py": """
        def score(x, *, boost=1, **more):
            def inner(z): return z
            return inner(x)
        def plain(x): return x
        class Ranker:
            def score(self, x, limit): return x
            def __hidden(self, k): return k
        def twice(a): return a
        def twice(b): return b
    """,
    "shop__front___py": "from .rank import *\nfrom .middle import found as dug, round",
    "shop__middle___py": "from shop.deep.er import dig as found\nfrom .front import round",
    "shop__deep____init_____py": "",
    "shop__deep__er___py": "def dig(spade): return spade",
}


@pytest.fixture
def shop(write, folder, monkeypatch):
    write(**{name.replace("____init_____py", "__~___py"): text for name, text in SHOP.items()})
    for path in folder.glob("**/~.py"):
        path.rename(path.with_name("__init__.py"))
    yield folder
    assert "shop" not in sys.modules


@pytest.fixture
def problems(shop, write, invoke):
    """What check says of settings, without the name of the file."""

    def check(text):
        write(spearmint___yaml=text)
        result = invoke("check")
        assert result.exit_code == (1 if result.stderr else 0)
        return result.stdout.splitlines() if result.exit_code else []

    return check


def test_varying_key_that_no_binding_takes_is_warned_of(shop, write, invoke):
    entry = """
        packages: [shop]
        experiments:
          - target: shop.rank:score
            bindings: {{boost: rank.boost}}
            configs:
              - {first}
              - {second}
    """
    wrong = entry.format(first="{rank: {bost: 1, boost: 1}}", second="{rank: {bost: 2, boost: 1}}")
    write(spearmint___yaml=wrong)
    result = invoke("check")
    assert result.exit_code == 0
    message = (
        "Warning: spearmint.yaml:6:5: The configs of 'shop.rank:score' differ in 'rank.bost', which no binding takes"
    )
    assert result.stderr.startswith(message)
    assert "Did you mean 'rank.boost'?" in result.stderr
    write(spearmint___yaml=entry.format(first="{rank: {boost: 1}, same: 1}", second="{rank: {boost: 2}, same: 1}"))
    result = invoke("check")
    assert (result.exit_code, result.stderr) == (0, "")


def test_correct_settings_end_with_status_0_and_counts(shop, write, invoke):
    write(
        k___yaml="{k: 1, page: {limit: 3}}",
        spearmint___yaml="""
        packages:
          - shop
          - {name: shop.deep, auto: named, bindings: {spade: k}, configs: [k.yaml]}
          - {name: json, auto: annotated}
        experiments:
          - target: shop.rank:Ranker.score
            configs: [k.yaml, {page: {limit: !sweep [1, 2]}}]
            bindings: {limit: {path: page.limit, override: true}}
          - {target: "shop.rank:score", bindings: {boost: k, other: k}, configs: k.yaml}
          - {target: "shop.rank:score.<locals>.inner"}
          - {target: "shop.rank:Ranker.__hidden"}
          - {target: "shop.rank:twice#2", bindings: {b: k}}
          - {target: "shop.*:*", bindings: {spade: k}, strategy: {use: shadow, with: {sample_rate: 0.1}}}
          - {target: "__main__:anything"}
        """,
    )
    result = invoke("check")
    assert (result.exit_code, result.stderr) == (0, "")
    told = (
        "functions that become experiments: 8, and those that ask for a config by annotations, and those of the script "
        "that `spearmint run` runs"
    )
    assert result.stdout == f"spearmint.yaml: 10 entries, nothing wrong; {told}.\n"


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("target: shp:f", "3:3: Cannot find the module 'shp' of the target 'shp:f': there is none on sys.path"),
        ("target: shop.rnk:f", "there is none in package 'shop'. Correct the name, or install what has it. Did you"),
        ("target: shop.rnk.x:f", "Cannot find the module 'shop.rnk' of the target 'shop.rnk.x:f'"),
        ("target: shop.rank:scor", "module 'shop.rank' defines no such function. "),
        ("target: shop.rank:scor", "Did you mean 'score'"),
        ("target: shop.rank:inner", "Did you mean 'score.<locals>.inner'?"),
        ("target: shop.rank:Ranker", "it is a class; a target names a function. Write 'shop.rank:Ranker.__init__' for"),
        ("target: shop.rank:twice#3", "module 'shop.rank' defines no such function"),
        ("target: shop.middle:round", "module 'shop.middle' defines no such function"),
        ("target: os.path:join", f"that is another name of {os.path.__name__!r}. Write {os.path.__name__!r}."),
        ("target: shop.*:nothing", "no module that it covers defines such a function. Correct one of its parts."),
        ("target: shp.*:nothing", "Cannot find the module 'shp' of the target 'shp.*:nothing'"),
        (
            "target: shop.rank:plain\n  bindings: {y: y}",
            (
                "4:14: Cannot bind parameter 'y' of 'shop.rank:plain': there is no such parameter (its parameters: "
                "'x'). Correct or remove the binding."
            ),
        ),
        (
            "target: shop.rank:t*\n  bindings:\n    c: c",
            "5:5: Cannot bind parameter 'c' of 'shop.rank:t*': there is no",
        ),
        (
            "target: shop.rank:plain\n  bindings: {x: p.y}\n  configs: [{p: {x: 1}}, {p: 2}]",
            (
                "4:14: Cannot bind 'x' to 'p.y': no config has it; in the first one, there is no 'y' at 'p' (the keys "
                "there: 'x'). Correct the path, or add it to a config."
            ),
        ),
        ("target: shop.rank:plain\n  strategy: shop.rank:Stratgy", "4:3: Cannot import 'shop.rank:Stratgy': module"),
        (
            "target: shop.rank:plain\n  strategy: shop.rnk:S",
            "4:3: Cannot find the module 'shop.rnk' of the import path",
        ),
        ("target: shop.rank:plain\n  on_variant_error: shop.rank:tell", "4:3: Cannot import 'shop.rank:tell': module"),
        ("target: shop.rank:plain\n  metrics: [shop.rank:tell]", "4:13: Cannot import 'shop.rank:tell': module"),
        ("target: shop.rank:plain\n  configs: [gone.yaml]", "4:13: Cannot read configs from 'gone.yaml': there is no"),
        (
            "target: shop.rank:plain\n  configs: [{__config_id__: x, a: 1}, {__config_id__: x, a: 2}]",
            "Cannot tell two configs apart: ",
        ),
    ],
)
def test_mistake_in_an_experiment_is_reported_with_place_and_fix(problems, entry, problem):
    (told,) = problems(f"experiments:\n# here\n- {entry}\n")
    assert told.startswith("spearmint.yaml:")
    assert problem in told


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("shp", "2:3: Cannot find the module 'shp' of the package 'shp': there is none on sys.path"),
        ("{name: shop.dep}", "2:4: Cannot find the module 'shop.dep' of the package 'shop.dep': there is none in"),
        (
            "{name: shop.deep, auto: named, bindings: {spde: k}}",
            "2:45: Cannot bind parameter 'spde' of any function of package 'shop.deep': there is no such parameter ",
        ),
        ("{name: shop.deep, auto: named, bindings: {spde: k}}", "Did you mean 'spade'?"),
    ],
)
def test_mistake_in_a_package_is_reported_with_place_and_fix(problems, entry, problem):
    (told,) = problems(f"packages:\n- {entry}\n")
    assert problem in told


def test_error_of_the_file_does_not_hide_further_ones(problems):
    told = problems(
        """\
        packages: [shp]
        experiments:
          - {target: "shop.rank:scor", strategy: shadow}
          - {target: "shop.rank:score", strategy: shadwo}
          - {target: "shop.rank:plain", bindings: {y: y}}
        backgrund: {}
        """
    )
    assert [line.split(": ")[0] for line in told] == [
        f"spearmint.yaml:{place}" for place in ("1:12", "3:6", "4:33", "5:44", "6:1")
    ]


def test_module_that_does_not_compile_is_reported_once(problems, write):
    write(shop__broken___py="x = 1\ndef f(:\n")
    entries = '[{target: "shop.broken:f"}, {target: "shop.broken:g"}, {target: "shop.*:nothing"}]'
    told = problems(f"experiments: {entries}")
    broken = [line for line in told if "broken.py" in line]
    assert len(broken) == 1
    assert "broken.py:2:7: Cannot compile module 'shop.broken': invalid syntax. Correct the syntax there." in broken[0]


def test_error_in_a_config_file_is_reported_at_its_line(problems, write):
    write(k___yaml="a: [")
    (told,) = problems('experiments: [{target: "shop.rank:plain", configs: k.yaml}]')
    assert "k.yaml:1:5: Cannot read YAML: " in told or "k.yaml:2:1: Cannot read YAML: " in told


def test_invalid_sweep_is_reported_at_its_place(problems, write):
    write(k___yaml="a: {$sweep: 3}", l___json="", m__n___jsonl='{"a": 1}\n{"a"}\n')
    entry = '{target: "shop.rank:plain", configs: [k.yaml, l.json, m/, {b: {$sweep: 4}}, {c: 1}, gone.yaml]}'
    told = problems(f"experiments: [{entry}]")
    assert [line.split(": Cannot")[0].rpartition("/")[2] for line in told] == [
        "k.yaml:1:1",
        "l.json:1:1",
        "n.jsonl:2:5",
        "spearmint.yaml:1:73",
        "spearmint.yaml:1:99",
    ]


def test_modules_without_source_are_checked_as_those_with_it(problems, shop):
    for path in shop.glob("shop/**/*.py"):
        py_compile.compile(str(path), cfile=str(path.with_suffix(".pyc")))
        path.unlink()
    entry = '{target: "shop.rank:Ranker.score", bindings: {limt: k}}'
    (told,) = problems(f"experiments: [{entry}]")
    assert (
        "Cannot bind parameter 'limt' of 'shop.rank:Ranker.score': there is no such parameter (its parameters: " in told
    )
    assert told.endswith("Did you mean 'limit'?")
    assert problems('experiments: [{target: "shop.rank:score.<locals>.inner"}, {target: "shop.*:dig"}]') == []


def test_modules_in_zip_files_and_namespace_packages_are_found(problems, shop, write, monkeypatch):
    with zipfile.ZipFile(shop / "all.zip", "w") as archive:
        for path in shop.glob("shop/**/*.py"):
            archive.write(path, path.relative_to(shop))
    shutil.rmtree(shop / "shop")
    write(space__inner__mod___py="def f(x): ...")
    monkeypatch.syspath_prepend(str(shop / "all.zip"))
    assert problems('experiments: [{target: "shop.rank:plain"}, {target: "shop.*:dig"}]') == []
    assert problems('experiments: [{target: "space.inner.mod:f"}, {target: "space.*:f"}]') == []
    (told,) = problems('experiments: [{target: "space.inner.mod:g"}]')
    assert "module 'space.inner.mod' defines no such function" in told


def test_settings_are_read_from_the_path_that_is_given_or_found(shop, write, invoke):
    write(my___yaml="packages: [shp]", pyproject___toml="[tool.spearmint]\npackages = ['shop', 'shp']\n")
    assert invoke("check", "my.yaml").stdout.startswith("my.yaml:1:12: ")
    assert invoke("check").stdout.startswith("pyproject.toml: tool.spearmint.packages[1].name: ")
    gone = invoke("check", "gone.yaml")
    assert (gone.exit_code, gone.stderr) == (1, "1 error.\n")
    assert gone.stdout.startswith("gone.yaml: Cannot read settings from 'gone.yaml': No such file or directory.")


def test_settings_beside_a_package_are_checked_from_elsewhere(shop, write, invoke, monkeypatch):
    write(spearmint___yaml="packages: [shop]", other__x___txt="")
    monkeypatch.chdir(shop / "other")
    assert invoke("check", "../spearmint.yaml").exit_code == 0


def test_a_builtin_extension_module_is_asked_what_it_holds(problems):
    assert problems('experiments: [{target: "_json:scanstring"}]') == []


@pytest.mark.parametrize("content", [b"", b"no bytecode", b"\x00" * 30])
def test_unreadable_bytecode_is_reported(problems, shop, content):
    (shop / "shop" / "bad.pyc").write_bytes(content)
    (told,) = problems('experiments: [{target: "shop.bad:f"}]')
    assert told.startswith("spearmint.yaml:1:16: Cannot read module 'shop.bad': ")


STUBS = """
    from typing import TYPE_CHECKING, overload
    import dataclasses
    if TYPE_CHECKING:
        def unreal(x): ...
    @overload
    def f(x: int) -> int: ...
    @overload
    def f(x: str) -> str: ...
    def f(x):
        return x
    def g(x):
        return x
    def g(x):
        return -x
    @dataclasses.dataclass
    class Item:
        x: int = 1
"""


COUNTS = {"f": 1, "f#3": 1, "g": 2, "g#1": 1, "*": 3, "**": 3, "Item.__init__": 1, "f#1": None, "unreal": None}


@pytest.mark.slow
@pytest.mark.parametrize("target", COUNTS)
def test_check_and_run_give_the_same_counts_and_words(write, invoke, start, target):
    count = COUNTS[target]
    write(
        spearmint___yaml=f"experiments: [{{target: 'stubs:{target}'}}]",
        stubs___py=STUBS,
        uses___py="import stubs",
    )
    checked = invoke("check")
    ran = start("-m", "spearmint", "run", "--report", "uses.py")
    if count is None:
        (told,) = checked.stdout.splitlines()
        assert told.removeprefix("spearmint.yaml:") in ran.stderr
    else:
        assert f"functions that become experiments: {count}." in checked.stdout
        assert f"stubs:{target}  {count} function" in ran.stderr


def test_function_that_cannot_be_changed_is_warned_of(write, invoke):
    write(spearmint___yaml="experiments: [{target: 'datetime:datetime.now'}]")
    checked = invoke("check")
    assert "Warning: spearmint.yaml:1:16: Cannot make an experiment of datetime:datetime.now: it bel" in checked.stderr
    assert "functions that become experiments: 0." in checked.stdout


def test_check_of_right_settings_on_an_unknown_python(shop, write, invoke, monkeypatch):
    write(spearmint___yaml="experiments: [{target: 'shop.rank:plain', configs: [{x: 1}], bindings: {x: x}}]")
    assert "nothing wrong" in invoke("check").stdout
    monkeypatch.setattr(cpython, "COMPILERS", {(3, 99): None})
    result = invoke("check")
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Cannot tell which targets become experiments on cpython 3." in result.stderr
    assert "known are CPython 3.99" in result.stderr


def test_check_of_wrong_settings_on_an_unknown_python(problems, monkeypatch):
    monkeypatch.setattr(cpython, "COMPILERS", {})
    [problem] = problems("experiments: [{target: 'shop.rank:plane', configs: [{x: 1}]}]")
    assert "Cannot find the target 'shop.rank:plane'" in problem


def test_check_refuses_overlapping_layers_and_unknown_weights(write, invoke):
    write(
        pages___py="def one(size=0): ...\ndef two(size=0): ...\n",
        spearmint___yaml="""
            packages: [pages]
            experiments:
              - target: pages:one
                configs: [{__config_id__: small, size: 1}, {__config_id__: large, size: 2}]
                strategy: {use: split, with: {layer: 'checkout[0:0.5]', weights: {smal: 1}}}
                bindings: {size: size}
              - target: pages:two
                configs: [{size: 1}, {size: 2}]
                strategy: {use: split, with: {layer: 'checkout[0.4:1]'}}
                bindings: {size: size}
        """,
    )
    result = invoke("check")
    assert result.exit_code == 1
    assert "spearmint.yaml:6:" in result.output
    assert "there is no config 'smal'" in result.output
    assert "Did you mean 'small'?" in result.output
    assert "spearmint.yaml:10:" in result.output
    assert "it overlaps checkout[0:0.5] of experiments[0]" in result.output


def test_check_tells_places_in_arguments_of_a_strategy(write, invoke):
    write(
        pages___py="def one(size=0): ...\ndef two(size=0): ...\ndef three(size=0): ...\ndef four(size=0): ...\n",
        spearmint___yaml="""
            experiments:
              - target: pages:one
                configs: [{__config_id__: small, size: 1}]
                bindings: {size: size}
                strategy:
                  use: split
                  with:
                    traffic: 0.5
                    weights: {smal: 1}
              - target: pages:two
                configs: [{size: 1}, {size: 2}]
                bindings: {size: size}
                strategy:
                  use: split
                  with:
                    unit: user_id
                    only_if:
                      plan: pro
                      country: {inn: [DE]}
              - target: pages:three
                configs: [{size: 1}, {size: 2}]
                bindings: {size: size}
                strategy: {use: split, with: {traffic: 3}}
              - target: pages:four
                configs: [{size: 1}, {size: 2}]
                bindings: {size: size}
                strategy: {use: split, with: {traffic: 1, layr: checkout}}
        """,
    )
    result = invoke("check")
    assert result.exit_code == 1
    told = [line.partition(": Cannot ") for line in result.stdout.splitlines()]
    assert [(place, text.rpartition("Did you mean ")[2]) for place, _, text in told] == [
        ("spearmint.yaml:10:9", "'small'?"),
        ("spearmint.yaml:20:21", "'in'?"),
        ("spearmint.yaml:24:35", told[2][2]),
        ("spearmint.yaml:28:47", "'layer'?"),
    ]


def test_check_tells_places_in_stages_and_guardrails(write, invoke):
    write(
        pages___py="def one(size=0): ...\ndef two(size=0): ...\ndef three(size=0): ...\n",
        spearmint___yaml="""
            packages: [pages]
            experiments:
              - target: pages:one
                configs: [{size: 1}, {size: 2}]
                strategy: split
                bindings: {size: size}
                stages:
                  - {shadow: 0.1, for: soon}
                  - trafic: 0.5
                guardrails:
                  - metric: error
                    worse: 0.01
              - target: pages:two
                configs: [{size: 1}, {size: 2}]
                strategy: shadow
                bindings: {size: size}
                stages: [{traffic: 1}]
              - target: pages:three
                configs: [{size: 1}, {size: 2}]
                strategy: {use: bandit, with: {floor: 0.1}}
                bindings: {size: size}
                stages:
                  - {traffic: 0.5, approve: true}
                  - {traffic: 0.1}
        """,
    )
    result = invoke("check")
    assert result.exit_code == 1
    told = [line.partition(": Cannot ") for line in result.stdout.splitlines()]
    assert [(place, text.partition(":")[0], text.rpartition(". ")[2][:30]) for place, _, text in told] == [
        ("spearmint.yaml:9:23", "use 'for' 'soon'", "Write seconds, or a text such "),
        ("spearmint.yaml:10:9", "use the key 'trafic'", "Did you mean 'traffic'?"),
        ("spearmint.yaml:13:9", "use the key 'worse'", "Did you mean 'worse_by'?"),
        ("spearmint.yaml:18:5", "use 'stages'", "Add 'strategy: split'."),
        ("spearmint.yaml:21:5", "make strategy 'bandit' with {'floor'", "It takes 'unit', 'weights', 't"),
    ]


def test_check_refuses_stages_without_a_split_and_less_traffic(write, invoke):
    write(
        pages___py="def one(size=0): ...\ndef two(size=0): ...\n",
        spearmint___yaml="""
            packages: [pages]
            experiments:
              - target: pages:one
                configs: [{size: 1}, {size: 2}]
                strategy: shadow
                bindings: {size: size}
                stages: [{traffic: 1}]
              - target: pages:two
                configs: [{size: 1}, {size: 2}]
                strategy: {use: bandit, with: {metric: purchase}}
                bindings: {size: size}
                stages:
                  - {traffic: 0.5, approve: true}
                  - {traffic: 0.1}
        """,
    )
    told = invoke("check").stdout
    assert ":8:5: Cannot use 'stages': the strategy 'shadow' assigns no units. Add 'strategy: split'." in told
    assert ":15:9: Cannot use stages[1]: its traffic 0.1 is less than before" in told
