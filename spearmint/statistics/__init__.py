"""Statistics: pure functions on numbers, shared by offline and online evaluation."""
