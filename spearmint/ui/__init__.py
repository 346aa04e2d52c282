"""A page to look at experiments with, served on loopback."""
