"""Tokens for machines, in the words of the RFCs: issued, introspected, revoked."""
