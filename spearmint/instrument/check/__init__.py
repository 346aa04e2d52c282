"""A settings file is checked without running the code that it names."""
