"""What a piece of code calls, read from its source or from its code object."""

from spearmint.discovery.bytecode.extract import calls_in_code
from spearmint.discovery.call_table import CallSite, CallTable
from spearmint.discovery.cpython import is_supported
from spearmint.discovery.source.extract import calls_in_source, calls_in_tree

__all__ = ["CallSite", "CallTable", "calls_in_code", "calls_in_source", "calls_in_tree", "is_supported"]
