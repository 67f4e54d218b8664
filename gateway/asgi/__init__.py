"""One HTTP request, top to bottom.

`door` is the ASGI application and the order of things; `route` is what it knows of a route, `exchange` what it hears
from the client and says to it, `streams` how a server's stream gets there. `headers` reads what the client says besides
the body, `conditions` its preconditions; `browsers` is what is said for their sake, `proxies` who the client is behind
them, `encodings` gzip, `load` how much may be under way. `tracing` makes the spans, `about` answers probes.

`server` is uvicorn, set up to listen and to drain.
"""
