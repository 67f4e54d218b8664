"""Projects, their members and their tasks.

Work trusts identity for who a caller is, and decides alone what the caller may do here.
"""
