"""From the path that users know to the place of the definition, without running any module."""
