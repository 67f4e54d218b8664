"""Statistics: how many tasks there are of which kind."""
