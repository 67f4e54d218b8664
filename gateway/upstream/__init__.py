"""The servers behind the gateway.

`channels` decides which server answers for which service and holds one channel per server; `health` asks servers how
they are, `reflection` what they serve. Nothing here knows HTTP.
"""
