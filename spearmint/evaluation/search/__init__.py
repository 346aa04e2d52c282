"""A search for the best config of more than can all be run."""
