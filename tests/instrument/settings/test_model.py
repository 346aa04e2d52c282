"""The models of the settings: what they know of themselves."""

from spearmint.instrument.settings.model import InstallSettings, known_keys


def test_the_keys_that_are_known_depend_on_the_place():
    assert known_keys(()) == ("the settings", ", ".join(InstallSettings.model_fields))
    assert known_keys(("packages", 0))[1].startswith("name, auto, exclude, configs, ")
    assert known_keys(("packages", 0, "strategy")) == ("a strategy", "use, with")
    assert known_keys(("experiments", 0, "bindings", "x")) == ("a binding", "path, override")
