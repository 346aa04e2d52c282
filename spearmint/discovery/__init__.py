"""What a piece of code calls, read from its source or from its code object."""

from spearmint.discovery.calls import CallSite, CallTable
from spearmint.discovery.from_ast import calls_in_source, calls_in_tree
from spearmint.discovery.from_bytecode import calls_in_code
from spearmint.discovery.versions import is_supported

__all__ = ["CallSite", "CallTable", "calls_in_code", "calls_in_source", "calls_in_tree", "is_supported"]
