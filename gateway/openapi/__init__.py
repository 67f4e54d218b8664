"""The documentation of a contract: OpenAPI 3.1, from the same routes, options and rules that are enforced.

`document` says which operations there are, `schemas` what their messages look like, `rules` what `buf.validate` allows,
and `comments` what the contract says in words. Nothing is written down twice, so nothing can drift.
"""
