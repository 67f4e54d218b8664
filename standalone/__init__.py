"""Tandem on one machine: an embedded PostgreSQL, the migrations, and the three processes.

It owns the processes it starts and the folder `.tandem/`. It contains no rule of the services and speaks to them
only as any client could.
"""
