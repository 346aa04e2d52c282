"""Functions become experiments as the settings say."""
