"""Audit: what has happened that matters for security. Events are added, and never changed or removed."""
