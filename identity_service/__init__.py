"""Accounts, sessions, and the tokens that say who a caller is.

Identity knows nothing of projects: what a caller may do there is for the work service to decide.
"""
