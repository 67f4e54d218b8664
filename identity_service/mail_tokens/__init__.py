"""Tokens that reach people by mail, and prove that it did: each works once."""
