"""Evaluate an experiment over data: every config on every row, scored and compared."""
