"""A value under experiment: a constant, a class attribute or a literal that instrumented code reads."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from spearmint.cases.bound_config import BoundConfig
from spearmint.config.copying import is_immutable
from spearmint.config.model import Config
from spearmint.registry.declared import Declared
from spearmint.registry.experiment import ExperimentFunction
from spearmint.registry.settings import ExperimentSettings
from spearmint.strategies.builtin import Choice

ORIGINAL = "original"
"""The id of the config under which a value is what stands in the code."""

_PARAMETER = "value"


class _Mark:
    """What no value is."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


AS_WRITTEN: Final = _Mark("<as written>")
"""In the place of a value: what the code reads is to stay."""

PER_EXECUTION: Final = _Mark("<per execution>")
"""In the place of a value: the first read of an execution makes the copy, or the exposure, that all of them share."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class ValueOption(BoundConfig):
    """One config as a value under experiment uses it.

    Attributes:
        read: What a read gives, or `AS_WRITTEN`, or `PER_EXECUTION`.
        replaced: What stands in the code, if ``read`` stands for it as it is; else `PER_EXECUTION`, which nothing is.
    """

    read: Any
    replaced: Any


class ValueExperiment(ExperimentFunction):
    """A value that Spearmint varies: an experiment that is read, and never called.

    Args:
        name: ``"module:name"``; that of a literal is ``"module:function#literal"``.
        original: What stands in the code.
        configs: Its expanded configs.
        settings: How it is chosen.
        path: Where the value stands in a config; empty for the whole config.

    Attributes:
        original: What stands in the code.
        path: Where the value stands in a config.
    """

    is_called = False

    def __init__(
        self, name: str, original: Any, configs: Sequence[Config], settings: ExperimentSettings, *, path: str = ""
    ) -> None:
        self.original = original
        self.path = path
        settings = replace(settings, bindings={_PARAMETER: {"path": path}})
        super().__init__(_stand_in(*name.split(":", 1)), configs, settings, has_own_configs=True, has_own_bindings=True)

    def compile_option(self, config: Config) -> BoundConfig:
        """Return a config as a read uses it.

        Raises:
            ConfigError: If it cannot be copied.
            BindingError: If it has nothing where the value is to stand.
        """
        made = super().compile_option(config)
        read = AS_WRITTEN if self.is_original(made) else _shared_value(made)
        replaced = PER_EXECUTION if read is AS_WRITTEN or read is PER_EXECUTION else self.original
        return ValueOption(made.config, made.config_id, made.copy, made.values, read, replaced)

    def _declare(self, configs: Sequence[Config], strategy: Callable[..., Choice]) -> Declared:
        """Have the first read of an execution expose the unit where units are assigned, whatever pins it now."""
        declared = super()._declare(configs, strategy)
        if declared.split is None:
            return declared
        options = [
            replace(one, read=PER_EXECUTION, replaced=PER_EXECUTION)  # type: ignore[call-arg] # a value's
            for one in declared.options
        ]
        return Declared.of(configs, options, strategy)

    @staticmethod
    def is_original(option: BoundConfig) -> bool:
        """Tell whether a config leaves the value as it stands in the code."""
        return option.config_id == ORIGINAL

    def _as_called(self, declared: Declared) -> Declared:
        """Have each call get a case of its own where a value belongs to one execution: it is kept with the case."""
        is_per_execution = any(option.read is PER_EXECUTION for option in declared.options)  # type: ignore[attr-defined] # made above
        return replace(declared, is_constant=False) if is_per_execution else declared


def _shared_value(option: BoundConfig) -> Any:
    supply = option.values[0]
    assert supply is not None  # noqa: S101 - the parameter has no default
    value = supply()
    return value if is_immutable(value) else PER_EXECUTION


def _stand_in(module: str, name: str) -> Callable[..., Any]:
    """Return the function that a value is, to everything that knows experiments as functions."""

    def value(value: Any) -> Any:
        return value

    value.__module__, value.__qualname__, value.__name__ = module, name, name.rpartition(".")[2]
    return value
