"""Passwords as other systems keep them."""

import base64
import hashlib

import bcrypt


def pbkdf2(password: str, iterations: int = 1000, salt: str = "aSalt") -> str:
    """As Django writes it."""
    digest = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), iterations)
    return f"pbkdf2_sha256${iterations}${salt}${base64.b64encode(digest).decode()}"


def bcrypted(password: str) -> str:
    """The cheapest that there is."""
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
