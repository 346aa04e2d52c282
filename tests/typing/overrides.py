"""What a type checker must make of overrides. Nothing here is called."""

from typing import assert_type

from spearmint import Config, experiment
from spearmint.testing import override


@experiment(configs=[{"k": 1}])
def run(text: str, config: Config) -> str:
    return text


def overrides_have_types() -> None:
    with override(run, {"k": 1}) as pinned:
        assert_type(pinned, Config)
    with override("module:run", "an id", variants=True) as pinned:
        assert_type(pinned, Config)
