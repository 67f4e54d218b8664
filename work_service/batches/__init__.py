"""Many tasks at once: all of them, or none."""
