"""Invitations: who is to become a member of a project once an address turns out to be theirs."""
