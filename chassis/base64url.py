"""base64url without padding (RFC 4648, section 5; RFC 7515, section 2): how tokens and keys are written."""

import base64
import binascii


def encoded(raw: bytes) -> str:
    """The text of some bytes."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def decoded(text: str) -> bytes | None:
    """The bytes of a text, padded or not; None when it holds anything else."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
