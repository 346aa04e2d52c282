"""Where configs come from and how they reach a parameter."""

from spearmint.config.binding import Bind
from spearmint.config.expansion import generate_configurations
from spearmint.config.injected import INJECTED
from spearmint.config.model import Config, generate_config_id
from spearmint.config.sources import iter_configs, parse_configs
from spearmint.config.sweep import DynamicValue, Range

__all__ = [
    "INJECTED",
    "Bind",
    "Config",
    "DynamicValue",
    "Range",
    "generate_config_id",
    "generate_configurations",
    "iter_configs",
    "parse_configs",
]
