"""Tasks out of a file, all of them or none, as often as one likes."""
