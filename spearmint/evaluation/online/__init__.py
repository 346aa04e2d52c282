"""Verdicts on online experiments, from the journals that processes have written."""
