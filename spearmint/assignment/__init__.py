"""Which arm a unit belongs to: its bucket, rules over attributes, and layers. Pure: nothing is recorded here."""
