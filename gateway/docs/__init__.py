"""The documentation as people read it: Swagger UI at `/docs`, ReDoc at `/redoc`, both on `/openapi.json`.

Both come out of an installed package and are served from here: no request leaves the origin, nothing stands inline, and
a content security policy says so to the browser.
"""
