"""Sessions: opened with a password, kept open with refresh tokens, ended by logging out or by a theft."""
