"""Finds heart beats in a recording. `main.py` ships it without this source, as some vendors do."""
