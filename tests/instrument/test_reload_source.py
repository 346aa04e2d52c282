"""A changed settings file takes effect without a restart, as one, or not at all."""

import asyncio
import collections
import gc
import os
import threading
import time

import pytest

import spearmint
from spearmint import RuntimeContext
from spearmint.errors import ConfigError, SettingsError
from spearmint.execution.call_metrics import call_meter
from spearmint.execution.pool import variant_pool
from spearmint.online.writer import records
from spearmint.tracing.exporter import exporter

SHOP = {
    "shop.py": """
    def rank(item, boost=1):
        return boost

    def page(item, boost=0):
        return boost, rank(item)

    ROUTES = [rank]
    """
}
DEADLINE_SECONDS = 60


def text(number, *, strategy="single", rank="{k: %s}", every=None, more=""):
    """Settings in which both functions run under a number."""
    watch = f"reload: {{every: {every}}}\n" if every else ""
    return (
        f"{watch}experiments:\n"
        f"- {{target: 'shop:rank', configs: [{rank % number}, {{k: 0.5}}], bindings: {{boost: k}}, "
        f"strategy: {strategy}}}\n"
        f"- {{target: 'shop:page', configs: [{{k: {number}}}], bindings: {{boost: k}}}}\n{more}"
    )


@pytest.fixture
def shop(project):
    """Install a settings file; give what writes it anew, and the module."""
    project.write(SHOP)
    path = project.folder / "s.yaml"

    def write(*args, **options):
        path.write_text(text(*args, **options))
        return path

    return write


def wait_until(condition):
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_reload_takes_in_configs_of_several_at_once(shop, project):
    spearmint.install(shop(1))
    module = project.load("shop")
    kept = module.ROUTES[0]
    assert (module.page("a"), kept("a")) == ((1, 1), 1)
    before = spearmint.settings_stats()
    shop(2)
    stats = spearmint.reload()
    assert (module.page("a"), kept("a")) == ((2, 2), 2)
    assert (stats.loaded, stats.rejected, stats.waiting) == (before.loaded + 1, before.rejected, ())
    assert stats.version != before.version
    assert stats.age < DEADLINE_SECONDS


def test_reload_without_a_change_keeps_the_state_of_strategies(shop, project):
    spearmint.install(shop(1, strategy="round_robin"))
    module = project.load("shop")
    assert module.rank("a") == 1
    loaded = spearmint.settings_stats().loaded
    assert spearmint.reload().loaded == loaded
    assert module.rank("a") == 0.5


def test_reload_takes_in_another_kind_of_strategy(shop, project):
    spearmint.install(shop(1))
    module = project.load("shop")
    assert module.rank("a") == 1
    shop(1, strategy="{use: split, with: {weights: [0, 1]}}")
    spearmint.reload()
    with RuntimeContext(attributes={"user_id": "ann"}):
        assert module.rank("a") == 0.5
    shop(1, strategy="shadow")
    spearmint.reload()
    with spearmint.Spearmint.run(module.rank, await_variants=True) as runner:
        assert [one.result for one in runner("a")] == [1, 0.5]


def test_reload_holds_for_modules_imported_later(shop, project):
    spearmint.install(shop(1))
    shop(2)
    spearmint.reload()
    assert project.load("shop").page("a") == (2, 2)


def test_reload_of_one_bad_entry_changes_nothing(shop, project):
    spearmint.install(shop(1))
    module = project.load("shop")
    shop(2, strategy="{use: split, with: {weights: [1]}}")
    with pytest.raises(SettingsError, match=r"s\.yaml:2"):
        spearmint.reload()
    assert module.page("a") == (1, 1)
    assert spearmint.settings_stats().rejected > 0
    shop(3)
    spearmint.reload()
    assert module.page("a") == (3, 3)


def test_new_target_waits_for_a_restart(shop, project, caplog):
    spearmint.install(shop(1))
    module = project.load("shop")
    shop(2, more="- {target: 'shop:other', configs: [{k: 1}], bindings: {boost: k}}\n")
    assert spearmint.reload().waiting == ("shop:other: a new target",)
    assert module.page("a") == (2, 2)
    spearmint.reload()
    assert [record.message for record in caplog.records if "shop:other" in record.message] == [
        "Changed settings are in force but for what needs a restart: shop:other: a new target"
    ]
    shop(2)
    assert spearmint.reload().waiting == ()


def test_changed_bindings_wait_for_a_restart(shop, project):
    path = shop(1)
    spearmint.install(path)
    module = project.load("shop")
    path.write_text(text(2).replace("bindings: {boost: k}, strategy", "bindings: {item: k}, strategy"))
    assert spearmint.reload().waiting == ("shop:rank: another 'bindings'",)
    assert module.page("a") == (2, 2)


def test_entries_in_another_order_keep_their_places(shop, project):
    path = shop(1)
    spearmint.install(path)
    module = project.load("shop")
    first, *entries = text(2).splitlines()
    path.write_text("\n".join([first, *reversed(entries)]))
    assert spearmint.reload().waiting == ()
    assert module.page("a") == (2, 2)
    path.write_text("\n".join([first, entries[1], entries[0].replace("single", "{use: split, with: {weights: [1]}}")]))
    with pytest.raises(SettingsError, match=r"s\.yaml:3"):
        spearmint.reload()


def test_enabled_is_taken_in(shop, project):
    path = shop(1, strategy="round_robin")
    spearmint.install(path)
    module = project.load("shop")
    on = text(1, strategy="round_robin")
    off = on.replace("strategy: round_robin", "strategy: round_robin, enabled: false")
    path.write_text(off)
    spearmint.reload()
    assert [module.rank("a"), module.rank("a")] == [1, 1]
    path.write_text(on)
    spearmint.reload()
    assert {module.rank("a"), module.rank("a")} == {1, 0.5}


def test_paused_experiments_stay_so_over_a_reload(shop, project):
    handle = spearmint.install(shop(1, strategy="round_robin"))
    module = project.load("shop")
    handle.pause()
    shop(2, strategy="round_robin")
    handle.reload()
    assert [module.rank("a"), module.rank("a")] == [2, 2]
    handle.resume()
    assert {module.rank("a"), module.rank("a")} == {2, 0.5}


def test_config_files_are_watched_too(project):
    project.write({**SHOP, "configs/a.yaml": "k: 3", "s.yaml": ""})
    path = project.folder / "s.yaml"
    path.write_text("experiments: [{target: 'shop:rank', configs: configs/, bindings: {boost: k}}]")
    spearmint.install(path)
    module = project.load("shop")
    assert module.rank("a") == 3
    (project.folder / "configs" / "a.yaml").write_text("k: 4")
    assert spearmint.reload().waiting == ()
    assert module.rank("a") == 4


PROMPTS = {
    "words.py": """
    TEXT = "plain"

    def say():
        return TEXT
    """,
    "prompts/a.yaml": "v: one",
    "s.yaml": """
    packages: [words]
    experiments:
    - {value: 'words:TEXT', within: 'words:say', configs: prompts/, path: v, original: false}
    """,
}


def test_config_files_that_only_values_name_are_watched(project):
    project.write(PROMPTS)
    with spearmint.install(project.folder / "s.yaml"):
        module = project.load("words")
        assert module.say() == "one"
        before = spearmint.settings_stats()
        (project.folder / "prompts" / "a.yaml").write_text("v: two")
        stats = spearmint.reload()
        assert (module.say(), stats.loaded, stats.waiting) == ("two", before.loaded + 1, ())
        assert stats.version != before.version
        (project.folder / "prompts" / "a.yaml").write_text("v: 5")
        with pytest.raises(SettingsError, match=r"it is of type str, and config .* has a value of type int"):
            spearmint.reload()
        assert module.say() == "two"


def test_values_whose_module_is_not_there_yet_are_checked(project):
    project.write(PROMPTS)
    with spearmint.install(project.folder / "s.yaml"):
        (project.folder / "prompts" / "a.yaml").write_text("v: [")
        with pytest.raises(SettingsError, match=r"a\.yaml"):
            spearmint.reload()
        (project.folder / "prompts" / "a.yaml").write_text("v: two")
        spearmint.reload()
        assert project.load("words").say() == "two"


def test_other_options_of_a_value_wait_for_a_restart(project):
    project.write(PROMPTS)
    path = project.folder / "s.yaml"
    with spearmint.install(path):
        module = project.load("words")
        assert module.say() == "one"
        path.write_text(path.read_text().replace("prompts/", "[{v: two}], strategy: shadow"))
        assert spearmint.reload().waiting == ("value words:TEXT: another 'strategy'",)
        assert module.say() == "two"


def test_files_that_yaml_includes_are_watched(project):
    project.write({**SHOP, "texts/a.txt": "one", "configs/a.yaml": "k: !file ../texts/a.txt"})
    path = project.folder / "s.yaml"
    path.write_text(
        "reload: {every: 0.1}\n"
        "experiments:\n"
        "- {target: 'shop:rank', configs: configs/, bindings: {boost: k}}\n"
        "- {target: 'shop:page', configs: [{k: !file texts/b.txt}], bindings: {boost: k}}\n"
    )
    (project.folder / "texts" / "b.txt").write_text("two")
    start = spearmint.settings_stats()
    with spearmint.install(path):
        spearmint.reload()
        module = project.load("shop")
        assert module.page("a") == ("two", "one")
        assert spearmint.settings_stats().loaded == start.loaded
        (project.folder / "texts" / "a.txt").write_text("uno")
        wait_until(lambda: module.rank("a") == "uno")
        (project.folder / "texts" / "b.txt").unlink()
        wait_until(lambda: spearmint.settings_stats().rejected > start.rejected)
        assert module.page("a") == ("two", "uno")
        (project.folder / "texts" / "b.txt").write_text("dos")
        wait_until(lambda: module.page("a") == ("dos", "uno"))
        wait_until(lambda: spearmint.settings_stats().loaded == start.loaded + 2)


def with_sections(path, sections):
    path.write_text(sections + text(1))


def test_sections_of_the_process_are_taken_in(shop, project):
    path, limits, options = shop(1), variant_pool.limits, exporter.options
    with_sections(path, "background: {max_workers: 3, queue_size: 7}\ntracing: {sample_rate: 0.5}\n")
    with spearmint.install(path):
        spearmint.configure(background={"max_tasks": 5})
        with_sections(path, "background: {max_workers: 4}\nmetrics: true\nonline: {journal: j, flush_every: 9}\n")
        assert spearmint.reload().waiting == ()
        changed = variant_pool.limits
        assert (changed.max_workers, changed.max_tasks, changed.queue_size) == (4, 5, limits.queue_size)
        assert exporter.options == options
        assert call_meter.is_on
        assert (records.options.journal, records.options.flush_every) == (str(project.folder / "j"), 9)
        with_sections(path, "")
        spearmint.reload()
        assert not call_meter.is_on
        assert records.options.journal is None
        assert variant_pool.limits.max_workers == limits.max_workers
    assert (variant_pool.limits, exporter.options) == (limits, options)


def test_section_that_is_no_good_changes_nothing(shop):
    path, limits = shop(1), variant_pool.limits
    with spearmint.install(path):
        with_sections(path, "background: {max_workers: 4}\nonline: {metrics: ['nowhere:score']}\n")
        with pytest.raises(SettingsError, match=r"s\.yaml:2.*Cannot use the scorer 'nowhere:score'"):
            spearmint.reload()
        assert variant_pool.limits == limits


def test_end_of_all_configs_waits_for_a_restart(shop, project):
    path = shop(1)
    spearmint.install(path)
    module = project.load("shop")
    path.write_text(text(2).replace("configs: [{k: 2}, {k: 0.5}], ", ""))
    assert "configs where there were none" in spearmint.reload().waiting[0]
    assert module.page("a")[0] == 2


def swap_by_rename(path, content):
    aside = path.with_suffix(".new")
    aside.write_text(content)
    os.utime(aside, (1, 1))
    aside.replace(path)


def truncate_and_write(path, content):
    path.write_text(content)
    os.utime(path, (1, 1))


@pytest.mark.slow
@pytest.mark.parametrize("change", [swap_by_rename, truncate_and_write])
def test_watched_file_takes_effect_by_itself(shop, project, change):
    path = shop(1, every=0.05)
    os.utime(path, (1, 1))
    spearmint.install(path)
    module = project.load("shop")
    for number in (2, 3):
        change(path, text(number, every=0.05))
        wait_until(lambda number=number: module.page("a") == (number, number))
    change(path, "experiments: [")
    rejected = spearmint.settings_stats().rejected
    wait_until(lambda: spearmint.settings_stats().rejected > rejected)
    assert module.page("a") == (3, 3)
    change(path, text(4, every=0.05))
    wait_until(lambda: module.page("a") == (4, 4))


@pytest.mark.slow
def test_swap_of_a_config_map_takes_effect(project):
    project.write(SHOP)
    mount = project.folder / "mount"
    for number in (1, 2):
        folder = mount / f"..{number}"
        folder.mkdir(parents=True)
        (folder / "s.yaml").write_text(text(number))
    (mount / "..data").symlink_to("..1")
    (mount / "s.yaml").symlink_to("..data/s.yaml")
    spearmint.install(mount / "s.yaml", reload=0.05)
    module = project.load("shop")
    assert module.page("a") == (1, 1)
    (mount / "..data_tmp").symlink_to("..2")
    (mount / "..data_tmp").replace(mount / "..data")
    wait_until(lambda: module.page("a") == (2, 2))


@pytest.mark.slow
def test_thread_ends_with_the_installation(shop):
    handle = spearmint.install(shop(1, every=0.05))
    names = [thread.name for thread in threading.enumerate()]
    assert "spearmint-reload" in names
    handle.uninstall()
    wait_until(lambda: "spearmint-reload" not in [thread.name for thread in threading.enumerate()])


@pytest.mark.parametrize("every", [0, -1, "1", True, float("inf")])
def test_interval_that_is_none_is_refused(shop, every):
    with pytest.raises(ConfigError, match="it is no interval"):
        spearmint.install(shop(1), reload=every)


def test_other_stages_and_guardrails_take_effect_at_once(project):
    project.write(SHOP)
    path = project.folder / "s.yaml"

    def write(stages):
        path.write_text(
            "online: {journal: journal}\n"
            "experiments:\n"
            "- {target: 'shop:rank', configs: [{k: 1}, {k: 2}], bindings: {boost: k}, "
            f"strategy: {{use: split, with: {{salt: x}}}}, stages: {stages}}}\n",
            encoding="utf-8",
        )

    def better():
        got = []
        for number in range(300):
            with RuntimeContext(attributes={"user_id": f"user-{number}"}):
                got.append(module.rank("a"))
        return got.count(2)

    write("[{traffic: 0.1, approve: true}, {traffic: 1}]")
    with spearmint.install(path):
        module = project.load("shop")
        few = better()
        wait_until((project.folder / "journal" / "state.json").exists)
        write("[{traffic: 0.6, approve: true}, {traffic: 1}]")
        assert spearmint.reload().waiting == ()
        wait_until(lambda: better() > 2 * few)
        write("[{trafic: 0.6}]")
        with pytest.raises(SettingsError, match="Did you mean 'traffic'"):
            spearmint.reload()
        assert better() > 2 * few


@pytest.mark.slow
def test_reloads_keep_nothing_of_earlier_versions(shop, project):
    spearmint.install(shop(0))
    module = project.load("shop")

    def kept_after(numbers):
        for number in numbers:
            shop(number)
            spearmint.reload()
            assert module.page("a") == (number, number)
        gc.collect()
        named = (repr(type(one)) for one in gc.get_objects())
        return collections.Counter(name for name in named if name.startswith("<class 'spearmint."))

    few = kept_after(range(1, 11))
    many = kept_after(range(11, 161))
    assert few["<class 'spearmint.registry.declared.Declared'>"] >= 2
    # Some versions may be kept until the next reload; one thing for each reload would be 150 more.
    assert {name: count for name, count in many.items() if count > few[name] + 100} == {}


MANY = {
    "many.py": """
    import asyncio

    def part(boost=0):
        return boost

    def turn(boost=0):
        return boost, part()

    async def ask(boost=0):
        await asyncio.sleep(0)
        return boost, part()

    def stream(boost=0):
        yield boost
        yield part()
    """
}


@pytest.mark.slow
def test_no_kind_of_call_mixes_versions_during_100_reloads(project):
    project.write(MANY)
    path = project.folder / "s.yaml"

    def write(number):
        path.write_text(
            "experiments:\n"
            + "".join(
                f"- {{target: 'many:{name}', configs: [{{k: {number}}}, {{k: {number + 0.5}}}], "
                f"bindings: {{boost: k}}, strategy: {strategy}}}\n"
                for name, strategy in (("turn", "round_robin"), ("ask", "single"), ("stream", "single"))
            )
            + f"- {{target: 'many:part', configs: [{{k: {number}}}], bindings: {{boost: k}}}}\n"
        )

    write(0)
    with spearmint.install(path):
        module = project.load("many")
        found = {"turn": set(), "ask": set(), "stream": set()}
        counts = dict.fromkeys(found, 0)
        has_ended = threading.Event()

        def call(kind, calls):
            while not has_ended.is_set() or counts[kind] < 35_000:
                found[kind].update(calls())
                counts[kind] += 100

        async def ask_many():
            return await asyncio.gather(*(module.ask() for _ in range(100)))

        callers = [
            threading.Thread(target=call, args=("turn", lambda: [module.turn() for _ in range(100)])),
            threading.Thread(target=call, args=("ask", lambda: asyncio.run(ask_many()))),
            threading.Thread(target=call, args=("stream", lambda: [tuple(module.stream()) for _ in range(100)])),
        ]
        for caller in callers:
            caller.start()
        try:
            for number in range(1, 101):
                write(number)
                spearmint.reload()
        finally:
            has_ended.set()
            for caller in callers:
                caller.join()
        assert sum(counts.values()) >= 100_000
        for kind, seen in found.items():
            assert len(seen) > 1, kind
            assert [pair for pair in seen if int(pair[0]) != pair[1]] == [], kind
