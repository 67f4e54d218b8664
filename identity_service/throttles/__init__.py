"""Throttles: how much anybody may ask for, counted in the database, so that it holds for all replicas together."""
