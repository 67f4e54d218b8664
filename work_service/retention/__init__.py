"""Retention: what was deleted goes for good after a while."""
