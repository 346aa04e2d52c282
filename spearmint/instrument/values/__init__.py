"""Values in code that has not run: where they stand, who reads them, and which are worth varying."""
