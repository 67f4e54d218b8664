"""Signing keys: made here, sealed in the database, their public halves published."""
