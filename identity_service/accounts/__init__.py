"""Accounts: people who can sign in."""
