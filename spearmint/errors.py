"""The one hierarchy of errors and warnings.

::

    Exception
    └── SpearmintError
        ├── ConfigError (ValueError)         a config cannot be read, expanded or identified
        │   ├── BindingError                 a config cannot reach a parameter
        │   └── SettingsError                a settings file asks for what cannot be done
        ├── DeclarationError (TypeError)     this cannot be made, or run as, an experiment
        ├── CaseError (LookupError)          an experiment takes no part in a case
        ├── StrategyError (RuntimeError)     a strategy raised, or chose what it was not given
        ├── PlanError (ValueError)           a plan has more cases than ``max_cases``
        ├── EvaluationError (ValueError)     an evaluation cannot begin, or cannot go on
        └── ExecutionError (RuntimeError)    a run was asked for where it cannot happen

    UserWarning
    └── SpearmintWarning                     something was lost, skipped or is probably a mistake
"""

from collections.abc import Sequence

__all__ = [
    "BindingError",
    "CaseError",
    "ConfigError",
    "DeclarationError",
    "EvaluationError",
    "ExecutionError",
    "PlanError",
    "SettingsError",
    "SpearmintError",
    "SpearmintWarning",
    "StrategyError",
]


class SpearmintError(Exception):
    """The base of every error that Spearmint raises on purpose."""


class ConfigError(SpearmintError, ValueError):
    """A config cannot be read, expanded or identified.

    Args:
        problem: What is wrong and what to do about it, without the place.
        source: Where the config comes from.
        line: Line in the file.
        column: Column in the line.
        path: Path of the value in the config.

    Attributes:
        problem: The message without the place.
        source: Where the config comes from, such as ``"rank.yaml"`` or ``"configs[2]"``; None when unknown.
        line: Line in the file, counted from 1; None outside a file.
        column: Column in the line, counted from 1; None when unknown.
        path: Path in the config, such as ``"llm.model"``; empty for the whole config, None when it does not matter.
    """

    def __init__(
        self,
        problem: str,
        *,
        source: str | None = None,
        line: int | None = None,
        column: int | None = None,
        path: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.source = source
        self.line = line
        self.column = column
        self.path = path

    @property
    def place(self) -> str:
        """Source, line and column as ``"rank.yaml:3:5"``; empty when unknown."""
        return ":".join(str(part) for part in (self.source, self.line, self.column) if part is not None)

    def __str__(self) -> str:
        place = self.place
        return f"{place}: {self.problem}" if place else self.problem


class BindingError(ConfigError):
    """A config cannot reach a parameter of a function.

    Its `source`, `line` and `column` say where the config was read from, if that was a file.

    Attributes:
        function: Name of the function, ``"module:qualified.name"``; None when unknown.
        parameter: Name of the parameter; None when the function as a whole is meant.
        config_id: Id of the config that failed; None when no single config is to blame.
    """

    def __init__(
        self,
        problem: str,
        *,
        source: str | None = None,
        line: int | None = None,
        column: int | None = None,
        path: str | None = None,
        function: str | None = None,
        parameter: str | None = None,
        config_id: str | None = None,
    ) -> None:
        super().__init__(problem, source=source, line=line, column=column, path=path)
        self.function = function
        self.parameter = parameter
        self.config_id = config_id


class SettingsError(ConfigError):
    """A settings file, or a mapping in its place, asks for something that cannot be done.

    Attributes:
        others: The errors found beside this one, which the message lists too.
    """

    def __init__(
        self,
        problem: str,
        *,
        source: str | None = None,
        line: int | None = None,
        column: int | None = None,
        others: "Sequence[SettingsError]" = (),
    ) -> None:
        super().__init__(problem, source=source, line=line, column=column)
        self.others = tuple(others)

    def __str__(self) -> str:
        return "\n".join([super().__str__(), *map(str, self.others)])


class DeclarationError(SpearmintError, TypeError):
    """Something cannot be made an experiment, or is not one where one is needed."""


class CaseError(SpearmintError, LookupError):
    """An experiment takes no part in the case that was asked for it."""


class StrategyError(SpearmintError, RuntimeError):
    """A strategy raised, or returned something other than a choice among the configs it was given."""


class PlanError(SpearmintError, ValueError):
    """A plan holds more cases than ``max_cases`` allows."""


class EvaluationError(SpearmintError, ValueError):
    """An evaluation cannot begin, as its data or scorers are unfit, or cannot go on."""


class ExecutionError(SpearmintError, RuntimeError):
    """A run was asked for where it cannot happen, as when an async function is run to its end inside a running loop."""


class SpearmintWarning(UserWarning):
    """Something was lost, skipped or is probably a mistake; the program goes on."""
