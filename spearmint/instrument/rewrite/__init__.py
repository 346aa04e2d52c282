"""Modules rewritten as they are imported."""
