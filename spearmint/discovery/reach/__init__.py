"""Which functions code reaches, from call tables and live objects."""
