"""Estimates, intervals and tests on plain numbers; scipy alone."""
