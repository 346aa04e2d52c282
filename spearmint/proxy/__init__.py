"""What stands where an experiment's function stood."""
