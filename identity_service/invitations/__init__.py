"""Invitations: whoever is invited to a project of another service is told by mail."""
