"""The finder on ``sys.meta_path``, and what it does with a module."""
