"""Sessions: opened with a password, kept open with refresh tokens."""
