"""Data to look at: a little that is realistic, or very much of it."""
