"""JSON to a request's bytes, and an answer's bytes to JSON.

Everything that depends on a method alone is compiled when the gateway starts, in `request.Request` and
`response.Response`. `json_text` reads JSON more strictly than parsers do, `shapes` knows which names a message has and
finds what is wrong in a tree, `fields` turns the text of a path or query parameter into a JSON value. The codec itself
is protobuf-py.
"""
