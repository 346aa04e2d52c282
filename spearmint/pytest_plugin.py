"""The pytest plugin: overrides as fixtures and marks, and tests that leave nothing behind for the next one.

Every pytest session of an environment with Spearmint loads this module. So it imports nothing of Spearmint's until a
test needs it, and what it does around a test is a look into `sys.modules` where the test uses no Spearmint.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest

_MARK = "spearmint(*, target=None, configs=None, variants=False)"
_CONFIG_FIXTURE = "spearmint_config"
_LONGEST_ID = 60
_FLUSH_SECONDS = "10"
_PINNED = pytest.StashKey[ExitStack]()

Override = Callable[..., Any]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the settings."""
    group = parser.getgroup("spearmint")
    help_text = "settings file to install before test modules are imported"
    group.addoption("--spearmint-config", metavar="FILE", help=help_text)
    parser.addini("spearmint_config", help_text)
    parser.addini("spearmint_flush_timeout", "seconds to wait for what a test leaves running", default=_FLUSH_SECONDS)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Install the settings file, if one is named, before any module of the project is imported."""
    path = _settings_path(early_config, early_config.known_args_namespace)
    if path is None:
        return
    from spearmint.errors import SpearmintError  # noqa: PLC0415 - few sessions need it
    from spearmint.instrument.install import install  # noqa: PLC0415

    try:
        early_config.add_cleanup(install(path).uninstall)
    except SpearmintError as error:
        raise pytest.UsageError(str(error)) from error


def _settings_path(config: pytest.Config, options: Any) -> Path | None:
    if given := getattr(options, "spearmint_config", None):
        return Path(config.invocation_params.dir, given)
    in_file = config.getini("spearmint_config")
    return config.rootpath / in_file if in_file else None


def pytest_configure(config: pytest.Config) -> None:
    """Make the mark known to ``--strict-markers``, and the settings file to workers that start elsewhere."""
    if path := _settings_path(config, config.option):
        config.option.spearmint_config = str(path)
    config.addinivalue_line(
        "markers",
        f"{_MARK}: run the test once per config, with the target (an experiment, its name, or a list) pinned to it.",
    )


@pytest.fixture
def spearmint_override() -> Iterator[Override]:
    """Pin the configs of experiments until the test ends; called as `spearmint.testing.override`.

    Yields:
        A function of an experiment and a config, which returns the pinned config.
    """
    from spearmint.testing.overrides import override  # noqa: PLC0415 - few sessions need it

    with ExitStack() as stack:
        yield lambda function, config, **options: stack.enter_context(override(function, config, **options))


@pytest.fixture
def spearmint_config(request: pytest.FixtureRequest) -> Any:
    """Give the config that ``@pytest.mark.spearmint`` runs the test under, that of the mark nearest to the test."""
    if not hasattr(request, "param"):
        message = "Cannot give a config: the test has none. Mark it with @pytest.mark.spearmint(configs=[...])."
        pytest.fail(message, pytrace=False)
    return deepcopy(request.param[0].config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a marked test once per config."""
    marks = list(metafunc.definition.iter_markers("spearmint"))
    if not marks:
        return
    # Nearest to the function last, as for `parametrize`: its config varies fastest.
    axes = [_axis(mark, metafunc) for mark in reversed(marks)]
    if _CONFIG_FIXTURE not in metafunc.fixturenames:
        metafunc.fixturenames.append(_CONFIG_FIXTURE)
    parameters = [
        ([pin for pin, _ in reversed(combination)], "-".join(name for _, name in combination))
        for combination in product(*axes)
    ]
    names = [name for _, name in parameters]
    metafunc.parametrize(_CONFIG_FIXTURE, [pins for pins, _ in parameters], ids=names, indirect=True)


@dataclass(frozen=True, slots=True)
class _Pin:
    """What one mark pins for one of its configs."""

    targets: list[Any]
    config: Any
    variants: bool


def _axis(mark: pytest.Mark, metafunc: pytest.Metafunc) -> list[tuple[_Pin, str]]:
    """Return what a mark pins for each of its configs, with a name for that."""
    from spearmint.config import parse_configs  # noqa: PLC0415 - few sessions need it
    from spearmint.errors import SpearmintError  # noqa: PLC0415

    place = metafunc.definition.nodeid
    options = dict(mark.kwargs)
    targets = _as_list(options.pop("target", None))
    source, variants = options.pop("configs", None), options.pop("variants", False)
    if mark.args or options:
        given = ", ".join(map(repr, [*mark.args, *options]))
        advice = f"It is {_MARK}; name the experiment: target=..."
        pytest.fail(f"{place}: Cannot use mark 'spearmint' with {given}. {advice}", pytrace=False)
    try:
        configs = _own_configs(targets) if source is None else parse_configs(source)
    except SpearmintError as error:
        pytest.fail(f"{place}: {error}", pytrace=False)
    if not configs:
        problem = "mark 'spearmint' has no configs. Give configs=[...]."
        pytest.fail(f"{place}: Cannot run it once per config: {problem}", pytrace=False)
    if not targets and _CONFIG_FIXTURE not in metafunc.fixturenames:
        problem = (
            "nothing would use the config. Name the experiment to pin, @pytest.mark.spearmint(target=..., "
            f"configs=[...]), or let the test take {_CONFIG_FIXTURE!r}."
        )
        pytest.fail(f"{place}: Cannot run it once per config: {problem}", pytrace=False)
    pins = [_Pin(targets, config, variants) for config in configs]
    return list(zip(pins, config_names(configs), strict=True))


def _as_list(target: Any) -> list[Any]:
    if target is None:
        return []
    return list(target) if isinstance(target, list | tuple) else [target]


def _own_configs(targets: list[Any]) -> list[Any]:
    """Return the configs that the first target was declared with."""
    from spearmint.proxy.proxy import experiment_of  # noqa: PLC0415 - few sessions need it
    from spearmint.registry.registry import registry  # noqa: PLC0415

    if not targets:
        return []
    first = targets[0]
    experiment = registry.get(first) if isinstance(first, str) else experiment_of(first)[0]
    return [option.copy() for option in experiment.options]


def config_names(configs: list[Any]) -> list[str]:
    """Return a readable name for each config: what tells it from the others, or its id.

    Args:
        configs: Configs of one test.

    Returns:
        Names such as ``"model=small,temperature=0.5"``.
    """
    from spearmint.config.flatten import differing_paths, flatten  # noqa: PLC0415
    from spearmint.config.model import given_id  # noqa: PLC0415
    from spearmint.redaction import redactor  # noqa: PLC0415 - few sessions need it
    from spearmint.secret_forms import MASK  # noqa: PLC0415

    flat = [flatten(config) for config in configs]
    differing = differing_paths(flat)
    names = []
    for config, leaves in zip(configs, flat, strict=True):
        shown = redactor().redact(leaves)  # An id stands in logs.
        label = ",".join(f"{key}={shown[key]}" for key in differing or leaves if key in leaves)
        is_readable = (
            MASK not in label and 0 < len(label) <= _LONGEST_ID and label.isprintable() and " at 0x" not in label
        )
        names.append(given_id(config) or (label if is_readable else config.config_id))
    return names


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Pin what the test's marks say, before its fixtures are made."""
    if _is_used():
        _cleaning()  # Imported now: a fixture may replace what an import needs, such as `open`.
    if item.get_closest_marker("spearmint") is None:
        return
    pins = getattr(getattr(item, "callspec", None), "params", {}).get(_CONFIG_FIXTURE)
    if pins is None:  # As on methods of `unittest.TestCase`.
        message = "Cannot run it once per config: pytest parametrizes no tests of this kind. Use a plain test function."
        pytest.fail(message, pytrace=False)
    from spearmint.testing.overrides import override  # noqa: PLC0415 - few sessions need it

    stack = item.stash[_PINNED] = ExitStack()
    for pin in pins:
        for target in pin.targets:
            stack.enter_context(override(target, pin.config, variants=pin.variants))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Undo what the body of a test sets for the process; what a fixture sets is the fixture's to undo."""
    before = _cleaning().state() if _is_used() else None
    try:
        return (yield)
    finally:
        if _is_used():
            cleaning = _cleaning()
            cleaning.restore_state(before or cleaning.initial_state())
            cleaning.forget_locals(getattr(item, "function", None))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    """Let background work end before the fixtures that it may use go, and leave none for the next test."""
    timeout = float(item.config.getini("spearmint_flush_timeout"))
    if _is_used():
        _cleaning().settle(timeout)
    try:
        return (yield)
    finally:
        if _PINNED in item.stash:
            item.stash[_PINNED].close()
        if _is_used():
            _settle_finally(item, timeout)


def _settle_finally(item: pytest.Item, timeout: float) -> None:
    from spearmint.errors import SpearmintWarning  # noqa: PLC0415 - few sessions need it

    cleaning = _cleaning()
    if left := cleaning.settle(min(timeout, 1.0)):
        item.warn(SpearmintWarning(f"{item.nodeid} left {left} background executions; they run on beside other tests"))
    cleaning.clear()


def _is_used() -> bool:
    return "spearmint.execution.pool" in sys.modules


def _cleaning() -> Any:
    from spearmint.testing import isolation as cleaning  # noqa: PLC0415 - few sessions need it

    return cleaning
