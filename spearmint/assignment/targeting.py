"""Rules over the attributes of a call: who takes part in an experiment."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, Literal, Protocol

from spearmint.errors import ConfigError
from spearmint.suggest import did_you_mean

_MISSING = object()
_VERSION = re.compile(r"\s*v?(\d+(?:\.\d+)*)(?:[-.]?([0-9A-Za-z][0-9A-Za-z.-]*))?(?:\+.*)?\s*")

Attributes = Mapping[str, Any]
Test = Callable[[Any], bool]


class TargetingRule(Protocol):
    """Something that holds for some attributes and not for others."""

    def holds(self, attributes: Attributes) -> bool:
        """Tell whether it holds."""

    def failure(self, attributes: Attributes) -> str:
        """Return why it does not hold, for people; only asked where it does not."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One operator on one attribute.

    Attributes:
        attribute: Its name.
        text: Operator and operand, for people.
        test: Takes the attribute's value, or a marker where there is none.
    """

    attribute: str
    text: str
    test: Test

    def holds(self, attributes: Attributes) -> bool:
        """Tell whether the attribute passes."""
        return self.test(attributes.get(self.attribute, _MISSING))

    def failure(self, attributes: Attributes) -> str:
        """Return which attribute is what instead."""
        value = attributes.get(self.attribute, _MISSING)
        found = "is not given" if value is _MISSING else f"is {value!r:.100}"
        return f"{self.attribute} {found}, and is to be {self.text}"


@dataclass(frozen=True, slots=True)
class Group:
    """Rules of which all, any or none must hold."""

    how: Literal["all", "any", "not"]
    rules: tuple[TargetingRule, ...]

    def holds(self, attributes: Attributes) -> bool:
        """Tell whether enough of the rules hold."""
        if self.how == "any":
            return any(rule.holds(attributes) for rule in self.rules)
        is_whole = all(rule.holds(attributes) for rule in self.rules)
        return is_whole is (self.how == "all")

    def failure(self, attributes: Attributes) -> str:
        """Return which rule does not hold, or that one does which must not."""
        if self.how == "not":
            return "what 'not' excludes holds"
        failures = [rule.failure(attributes) for rule in self.rules if not rule.holds(attributes)]
        return failures[0] if self.how == "all" else " and ".join(failures)


def compile_rules(rules: Any) -> TargetingRule:
    """Return what decides whether attributes satisfy rules.

    ``{"country": {"in": ["DE", "FR"]}, "plan": "pro", "age": {"gt": 17}}`` holds where each attribute passes each
    operator; a plain value stands for ``eq``. ``all`` and ``any`` take a list of such mappings, ``not`` takes one.

    ====================  ==========================================================================================
    ``eq``, ``ne``        is, or is not, equal; a bool equals no number
    ``in``, ``not_in``    is, or is not, one of a list
    ``gt ge lt le``       compares with a number, or with a text; text that says a number, as of a header, counts as one
    ``regex``             a regular expression is found in the text (`re.search`)
    ``exists``            is given and not None, or with ``false`` is not
    ``version_ge _lt``    compares dotted versions by number; ``2.0-rc1`` comes before ``2.0``
    ====================  ==========================================================================================

    An attribute that is not given passes ``ne``, ``not_in`` and ``exists: false``, and no other operator.

    Args:
        rules: The mapping.

    Returns:
        The rule.

    Raises:
        ConfigError: If it is no such mapping, or an operator is unknown or takes something else.
    """
    if not isinstance(rules, Mapping):
        raise _error(f"{rules!r:.200}", "it is no mapping from attributes to conditions")
    if not rules:
        raise _error("{}", "it is empty, and would exclude no unit")
    found: list[TargetingRule] = []
    for name, wanted in rules.items():
        if not isinstance(name, str):
            raise _error(f"{name!r}", "it is no attribute's name")
        if name in ("all", "any"):
            found.append(_group_of_many(name, wanted))
        elif name == "not":
            found.append(Group("not", (compile_rules(wanted),)))
        else:
            found += _conditions(name, wanted)
    return found[0] if len(found) == 1 else Group("all", tuple(found))


def _group_of_many(how: Any, wanted: Any) -> Group:
    if not isinstance(wanted, list | tuple) or not wanted:
        raise _error(f"{how}: {wanted!r:.200}", "it takes a list of rules")
    return Group(how, tuple(map(compile_rules, wanted)))


def _conditions(name: str, wanted: Any) -> list[TargetingRule]:
    operators = wanted if isinstance(wanted, Mapping) else {"eq": wanted}
    if not operators:
        raise _error(f"{name}: {{}}", "it names no operator")
    made: list[TargetingRule] = []
    for operator, operand in operators.items():
        make = _OPERATORS.get(operator)
        if make is None:
            known = ", ".join(_OPERATORS)
            cause = f"there is no operator {operator!r}; there are {known}, and all, any and not around attributes"
            raise _error(f"{name}: {{{operator}: ...}}", cause, did_you_mean(str(operator), _OPERATORS))
        try:
            test = make(operand)
        except ValueError as error:
            raise _error(f"{name}: {{{operator}: {operand!r:.100}}}", str(error)) from error
        made.append(Condition(name, f"{operator} {operand!r:.100}", test))
    return made


def _error(rule: str, cause: str, hint: str = "") -> ConfigError:
    return ConfigError(f"Cannot target by {rule}: {cause}. Write {{attribute: {{operator: value}}}}.{hint}")


def _equal(value: Any, wanted: Any) -> bool:
    if isinstance(value, bool) is not isinstance(wanted, bool):
        return False
    try:
        return bool(value == wanted)
    except Exception:  # noqa: BLE001 - an attribute may be anything, whatever its comparing does
        return False


def _eq(wanted: Any) -> Test:
    return lambda value: value is not _MISSING and _equal(value, wanted)


def _in(wanted: Any) -> Test:
    if not isinstance(wanted, list | tuple | set | frozenset):
        raise ValueError("it takes a list")  # noqa: TRY004 - told with its place by the caller
    options = tuple(wanted)
    return lambda value: value is not _MISSING and any(_equal(value, one) for one in options)


def _negated(make: Callable[[Any], Test]) -> Callable[[Any], Test]:
    def negate(wanted: Any) -> Test:
        test = make(wanted)
        return lambda value: not test(value)

    return negate


def _ordered(compare: Callable[[Any, Any], bool]) -> Callable[[Any], Test]:
    def make(wanted: Any) -> Test:
        if isinstance(wanted, bool) or not isinstance(wanted, int | float | str):
            raise ValueError("it takes a number or a text")  # noqa: TRY004 - as above
        if isinstance(wanted, str):
            return lambda value: isinstance(value, str) and compare(value, wanted)

        def test(value: Any) -> bool:
            number = _number(value)
            return number is not None and compare(number, wanted)

        return test

    return make


def _number(value: Any) -> int | float | None:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    try:
        return float(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _regex(wanted: Any) -> Test:
    if not isinstance(wanted, str):
        raise ValueError("it takes a regular expression")  # noqa: TRY004 - as above
    try:
        pattern = re.compile(wanted)
    except re.error as error:
        raise ValueError(f"it is no regular expression: {error}") from error
    return lambda value: isinstance(value, str) and pattern.search(value) is not None


def _exists(wanted: Any) -> Test:
    if not isinstance(wanted, bool):
        raise ValueError("it takes true or false")  # noqa: TRY004 - as above
    return lambda value: (value is not _MISSING and value is not None) is wanted


def _version(compare: Callable[[Any, Any], bool]) -> Callable[[Any], Test]:
    def make(wanted: Any) -> Test:
        limit = _parsed_version(wanted)
        if limit is None:
            raise ValueError("it takes a version as text, such as '1.10.0'")

        def test(value: Any) -> bool:
            found = _parsed_version(value)
            return found is not None and compare(_order(found, limit), 0)

        return test

    return make


_Version = tuple[tuple[int, ...], str | None]


def _parsed_version(text: Any) -> _Version | None:
    """Return the numbers of a version, and what comes before its release, such as ``rc1``."""
    match = _VERSION.fullmatch(text) if isinstance(text, str) else None
    return None if match is None else (tuple(map(int, match[1].split("."))), match[2])


def _order(one: _Version, other: _Version) -> int:
    """Return -1, 0 or 1, as the first version is lower, equal or higher: https://semver.org/#spec-item-11."""
    for left, right in zip_longest(one[0], other[0], fillvalue=0):
        if left != right:
            return -1 if left < right else 1
    if one[1] is None or other[1] is None:
        return (one[1] is None) - (other[1] is None)
    for left_text, right_text in zip_longest(one[1].split("."), other[1].split("."), fillvalue=""):
        keys = _identifier_key(left_text), _identifier_key(right_text)
        if keys[0] != keys[1]:
            return -1 if keys[0] < keys[1] else 1
    return 0


def _identifier_key(text: str) -> tuple[bool, int, str]:
    return (False, int(text), "") if text.isdecimal() else (bool(text), -1 if not text else 0, text)


_OPERATORS: Mapping[str, Callable[[Any], Test]] = {
    "eq": _eq,
    "ne": _negated(_eq),
    "in": _in,
    "not_in": _negated(_in),
    "gt": _ordered(lambda one, other: bool(one > other)),
    "ge": _ordered(lambda one, other: bool(one >= other)),
    "lt": _ordered(lambda one, other: bool(one < other)),
    "le": _ordered(lambda one, other: bool(one <= other)),
    "regex": _regex,
    "exists": _exists,
    "version_ge": _version(lambda one, other: bool(one >= other)),
    "version_lt": _version(lambda one, other: bool(one < other)),
}
