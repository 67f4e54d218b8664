"""The servers behind the gateway.

`channels` decides which server answers for which service and holds one channel per server; `health` asks servers how
they are. Nothing here knows HTTP.
"""
