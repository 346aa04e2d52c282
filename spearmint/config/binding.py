"""From a config to the parameters it fills: validated once per config, looked up on a call."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from spearmint.config.copying import value_factory
from spearmint.config.model import Config, origin_of
from spearmint.config.paths import look_up, shown_value
from spearmint.errors import BindingError
from spearmint.redaction import redactor
from spearmint.secret_forms import MASK

Supplier = Callable[[], Any]


@dataclass(frozen=True, slots=True)
class Bind:
    """Say which part of a config a parameter gets: ``Annotated[float, Bind("llm.temperature")]``.

    Args:
        path: Keys and list indexes from the root of the config, joined with dots; empty for the whole config.
        override: Whether the config wins over a value that the caller passes.
    """

    path: str = ""
    override: bool = False


@dataclass(frozen=True, slots=True)
class Slot:
    """One parameter that a config fills.

    Attributes:
        name: Name of the parameter.
        path: Where its value stands in the config; empty for the whole config.
        override: Whether the config wins over the caller.
        index: How many positional arguments a call must exceed to have filled it; None when only a keyword can.
        is_positional_only: Whether it cannot be given by keyword.
        has_default: Whether the function has a value of its own for it.
        before: The defaults of the parameters before it, `inspect.Parameter.empty` where there is none.
        validate: Turns what stands at the path into what the function gets.
    """

    name: str
    path: str
    override: bool
    index: int | None
    is_positional_only: bool
    has_default: bool
    before: tuple[Any, ...] = field(compare=False)
    validate: Callable[[Any], Any] = field(compare=False)

    def is_given(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Tell whether a call gives the parameter itself."""
        if self.index is not None and len(args) > self.index:
            return True
        return not self.is_positional_only and self.name in kwargs


@dataclass(frozen=True, slots=True)
class Binder:
    """The parameters of one function that configs fill, and how.

    Attributes:
        function: Name of the function, ``"module:qualified.name"``, for messages.
        slots: One for each bound parameter, in the order of the signature.
    """

    function: str
    slots: tuple[Slot, ...]

    def bind(self, config: Config) -> tuple[Supplier | None, ...]:
        """Validate a config against every bound parameter.

        Args:
            config: One expanded config.

        Returns:
            For each slot a callable that gives an execution its value, shared or copied; None where the config says
            nothing and the parameter's own default stands.

        Raises:
            BindingError: If the config lacks a path, or what stands there does not validate or cannot be copied.
        """
        return tuple(self._bind_slot(slot, config) for slot in self.slots)

    def fill(
        self, values: Sequence[Supplier | None], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return positional and keyword arguments of a call with the config's values in their places."""
        filled = dict(kwargs)
        for slot, value in zip(self.slots, values, strict=True):
            is_given = slot.is_given(args, kwargs)
            if value is None or (is_given and not slot.override):
                continue
            if slot.index is not None and len(args) > slot.index:
                args = (*args[: slot.index], value(), *args[slot.index + 1 :])
            elif not slot.is_positional_only:
                filled[slot.name] = value()
            elif inspect.Parameter.empty not in (between := slot.before[len(args) :]):
                args = (*args, *between, value())
        return args, filled

    def is_fully_bound_by_caller(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Tell whether the caller gives every parameter that a config would fill, so that no config can differ."""
        return bool(self.slots) and all(slot.is_given(args, kwargs) and not slot.override for slot in self.slots)

    def _bind_slot(self, slot: Slot, config: Config) -> Supplier | None:
        try:
            found = look_up(config, slot.path)
        except KeyError as missing:
            if slot.has_default:
                return None
            raise self._error(slot, config, f"{missing.args[0]}. Add it to the config or correct the path") from None
        try:
            value = slot.validate(found)
        except Exception as error:  # noqa: BLE001 - a validator of the user's, or a model that lacks one of its names
            failure = error
        else:
            return self._share(slot, config, value)
        secrets = _secrets_in(config, slot)
        cause = _describe(slot, failure, secrets)
        # Raised out here, as pydantic's error shows the values that it got.
        raise self._error(slot, config, cause) from (None if secrets else failure)

    def _share(self, slot: Slot, config: Config, value: Any) -> Supplier:
        try:
            return value_factory(value)
        except Exception as error:
            cause = f"its value of type {type(value).__qualname__} cannot be copied ({type(error).__name__}: {error})"
            advice = "each execution needs its own. Bind something immutable, or give the type a __deepcopy__"
            raise self._error(slot, config, f"{cause}, and {advice}") from error

    def _error(self, slot: Slot, config: Config, cause: str) -> BindingError:
        place = f"to {slot.path!r} of" if slot.path else "to"
        source, line, column = origin_of(config) or (None, None, None)
        return BindingError(
            f"Cannot bind parameter {slot.name!r} of {self.function} {place} config {config.config_id!r}: {cause}.",
            source=source,
            line=line,
            column=column,
            path=slot.path,
            function=self.function,
            parameter=slot.name,
            config_id=config.config_id,
        )


def _secrets_in(config: Config, slot: Slot) -> set[str]:
    """Return the texts that a message about a parameter must not show."""
    found = redactor().secrets_in(config)
    if _is_secret(slot):
        found.add(str(look_up(config, slot.path)))
    return found


def _is_secret(slot: Slot) -> bool:
    return redactor().is_secret(slot.path) or redactor().is_secret(slot.name)


def _describe(slot: Slot, failure: Exception, secrets: set[str]) -> str:
    """Return why a value does not validate and what to do about it, without secrets."""
    if isinstance(failure, ValidationError):
        items = failure.errors(include_url=False)
        problems = "; ".join(_problem(slot, item, secrets) for item in items)
        hint = f"bindings={{{slot.name!r}: None}} leaves the parameter to the caller"
        return f"{problems}. Correct the config or the annotation; {hint}"
    cause = f"validating it raised {type(failure).__name__}: {redactor().hide(str(failure), secrets)}"
    return f"{cause}. Correct the annotation, or what validates it"


def _problem(slot: Slot, item: Any, secrets: set[str]) -> str:
    location = ".".join(str(part) for part in (slot.path, *item["loc"]) if part != "")
    message, shown = redactor().hide(item["msg"], secrets), shown_value(item["input"], location, secrets)
    if _is_secret(slot) or redactor().is_secret(location):
        # A validator of the user's may say anything, also a secret too short to be found in a text.
        message, shown = MASK if "error" in item.get("ctx", ()) else message, MASK
    return f"{location or 'the config'}: {message} (got {shown})"
