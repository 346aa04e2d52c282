"""What the settings file says."""
