"""What other frameworks need to work with Spearmint; none of them is imported here."""
