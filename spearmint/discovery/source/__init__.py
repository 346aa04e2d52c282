"""What code calls, read from its syntax tree."""
