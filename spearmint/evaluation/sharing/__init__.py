"""Steps that cases of a row have in common run once: nested experiments, and scorers."""
