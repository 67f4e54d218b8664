"""Tasks, and how they move from status to status."""
