"""What browsers get that come to read: the two pages, what they are made of, and the document itself."""

import html
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.asgi import encodings
from gateway.asgi.door import Own, always
from gateway.asgi.exchange import JSON, Reply
from gateway.docs import assets
from gateway.docs.assets import Asset
from gateway.errors import Header

_CHECKED: Final[Header] = (b"cache-control", b"no-cache")
_HTML: Final[Header] = (b"content-type", b"text/html; charset=utf-8")

_EMPTY: Final = b"'sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU='"
"""The hash of nothing: ReDoc inserts a style element that is empty, and fills it afterwards."""

_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; style-src 'self' %b; img-src 'self' data:; connect-src 'self'; "
    b"worker-src blob:; "  # ReDoc's search
    b"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
) % _EMPTY

_PAGE: Final = """\
<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
{styles}
</head>
<body>
<div id="page"></div>
{scripts}
</body>
</html>
"""


def served(openapi: bytes, title: str) -> Mapping[bytes, Own]:
    """Everything for readers, by its path; `openapi` is the document that the pages show."""
    swagger = [
        *assets.packaged(("swagger-ui.css", "swagger-ui-bundle.js")),
        *assets.ours(("page.css", "swagger.js")),
    ]
    redoc = [*assets.packaged(("redoc.standalone.js",)), *assets.ours(("page.css", "redoc.js"))]
    replies = {
        b"/": Reply(302, ((b"location", b"/docs"), _CHECKED)),
        b"/docs": _page(title, swagger),
        b"/redoc": _page(title, redoc),
        b"/openapi.json": Reply(200, (JSON, _CHECKED), openapi, packable=True, packed=encodings.packed(openapi)),
        **{asset.path.encode(): asset.reply for asset in (*swagger, *redoc)},
    }
    return {path: always(reply) for path, reply in replies.items()}


def _page(title: str, files: Sequence[Asset]) -> Reply:
    styles = [f'<link rel="stylesheet" href="{file.path}">' for file in files if file.path.endswith(".css")]
    scripts = [f'<script src="{file.path}"></script>' for file in files if file.path.endswith(".js")]
    page = _PAGE.format(title=html.escape(title), styles="\n".join(styles), scripts="\n".join(scripts))
    return Reply(200, (_HTML, _CHECKED), page.encode(), policy=_POLICY)
