"""Departures: what becomes of what those had in projects whose accounts are deleted."""
