"""One HTTP request, top to bottom.

`door` is the ASGI application and the order of things; `headers` reads what the client says besides the body,
`conditions` its preconditions, `tracing` makes the spans, and `server` is uvicorn, set up to listen and to drain.
"""
