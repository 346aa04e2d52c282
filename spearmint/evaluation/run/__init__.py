"""Running every case on every row."""
