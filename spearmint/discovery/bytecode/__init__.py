"""What code calls, read from its bytecode."""
