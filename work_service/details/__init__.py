"""One task, by itself or with what belongs to it."""
