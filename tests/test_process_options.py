from dataclasses import dataclass
from typing import ClassVar

import pytest

from spearmint.errors import ConfigError
from spearmint.process_options import ProcessOptions


@dataclass(frozen=True, slots=True)
class Options(ProcessOptions):
    kind: ClassVar[str] = "kettle option"

    cups: object = 1
    wait: object = 0
    boil: object = 1.0
    whistle: object = "loud"

    def __post_init__(self):
        self.check_whole("cups")
        self.check_seconds("wait", or_zero=True)
        self.check_seconds("boil")
        self.check_choice("whistle", ("loud", "off"))


def test_changes_make_new_options_of_the_same_class():
    options = Options()
    assert options.with_changes({"cups": 3, "whistle": "off"}) == Options(3, whistle="off")
    assert options == Options()


def test_unknown_name_is_refused_with_close_ones():
    with pytest.raises(ConfigError) as caught:
        Options().with_changes({"cup": 3})
    assert str(caught.value) == (
        "Cannot set kettle option 'cup': there is none. Give some of cups, wait, boil, whistle. Did you mean 'cups'?"
    )


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("cups", 0, "a whole number from 1"),
        ("cups", True, "a whole number from 1"),
        ("cups", 1.0, "a whole number from 1"),
        ("wait", -1, "a number of seconds from 0"),
        ("wait", float("inf"), "a number of seconds from 0"),
        ("wait", float("nan"), "a number of seconds from 0"),
        ("wait", "1", "a number of seconds from 0"),
        ("boil", 0, "a number of seconds above 0"),
        ("boil", False, "a number of seconds above 0"),
        ("whistle", "soft", "one of 'loud', 'off'"),
    ],
)
def test_value_out_of_range_is_refused_with_what_to_give(name, value, wanted):
    with pytest.raises(ConfigError) as caught:
        Options(**{name: value})
    assert str(caught.value) == f"Cannot set kettle option {name!r} to {value!r}: it is out of range. Give {wanted}."
