"""Projects: what tasks belong to, and what roles are given in."""
