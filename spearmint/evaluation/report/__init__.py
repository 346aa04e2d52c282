"""What an evaluation says, as numbers, tables, charts and pages."""
