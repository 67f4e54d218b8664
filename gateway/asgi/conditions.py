"""Preconditions (RFC 9110, 13): `If-Match` before a change, `If-None-Match` before an answer is sent again.

A condition that cannot be kept is refused, never forgotten: whoever sends `If-Match` counts on it.
"""

import re

from gateway.asgi.headers import malformed
from gateway.errors import Refusal, refused

ANY = b"*"

_TAG = rb'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS = re.compile(rb"\s*" + _TAG + rb"(?:\s*,\s*" + _TAG + rb")*\s*")
_EACH = re.compile(_TAG)


def wanted_version(if_match: bytes, *, quoted: bool = False) -> str | None:
    """What `If-Match` puts into the request: the tag, mostly without its quotes, or None when anything will do.

    Raises:
        Refusal: It is not a tag, there are several, or it is a weak one, which never matches.
    """
    if if_match.strip() == ANY:
        return None
    tags = _tags("If-Match", if_match)
    if len(tags) > 1:
        raise malformed("If-Match", "expected one entity tag")
    if tags[0].startswith(b"W/"):
        raise precondition_failed("a weak entity tag never matches If-Match")
    try:
        return (tags[0] if quoted else tags[0][1:-1]).decode("ascii")
    except UnicodeDecodeError:
        raise malformed("If-Match", "expected an entity tag in ASCII") from None


def check_matches(if_match: bytes, etag: str | None) -> None:
    """For what only reads: the answer must be the version that the client means. No weak tag says which that is.

    Raises:
        Refusal: It is not.
    """
    if if_match.strip() == ANY:
        return
    tags = _tags("If-Match", if_match)
    if etag is None or etag.startswith("W/") or etag.encode() not in tags:
        raise precondition_failed("the entity tag is no longer current")


def unchanged(if_none_match: bytes, etag: str) -> bool:
    """Whether the client has this version already; weak tags count here."""
    if if_none_match.strip() == ANY:
        return True
    tag = etag.removeprefix("W/").encode()
    return any(sent.removeprefix(b"W/") == tag for sent in _tags("If-None-Match", if_none_match))


def unkeepable(name: str) -> Refusal:
    """400: this method has nothing to compare with."""
    return malformed(name, "this method does not take this condition")


def precondition_failed(message: str) -> Refusal:
    """412, as a server's own finding would look."""
    return refused(
        412,
        "ABORTED",
        "ETAG_MISMATCH",
        message,
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.PreconditionFailure",
                "violations": [{"type": "ETAG", "subject": "If-Match", "description": message}],
            }
        ],
    )


def _tags(name: str, value: bytes) -> list[bytes]:
    if not _TAGS.fullmatch(value):
        raise malformed(name, 'expected entity tags in double quotes, such as "1"')
    return _EACH.findall(value)
