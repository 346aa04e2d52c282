"""Getting into code at import time: whole packages under experiment, no line of theirs changed."""
