"""``python -m spearmint`` is the ``spearmint`` command."""

from spearmint.cli import main

if __name__ == "__main__":
    main(prog_name="spearmint")
