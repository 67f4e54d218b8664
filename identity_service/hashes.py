"""What is stored of passwords: Argon2 of ours, and bcrypt and PBKDF2 of people who were brought along from elsewhere.

What a hash costs is written in it. Whoever can write to the database must not decide how much memory and time we spend,
so nothing is computed that costs more than the limits here.
"""

import base64
import binascii
import hashlib
import hmac
import re

import bcrypt
from argon2 import PasswordHasher, extract_parameters
from argon2.exceptions import InvalidHashError, VerificationError

_MOST_MEMORY_KIB = 256 * 1024
_MOST_PASSES = 16
_MOST_LANES = 8
_LONGEST = 512  # of a hash as text
_MOST_BCRYPT_ROUNDS = 14  # 2 to the power of it: a second
_MOST_PBKDF2_ITERATIONS = 2_000_000  # twice what Django asks for today
_BCRYPT_PASSWORD_BYTES = 72  # it ignores what comes after; we do not

_BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}", re.ASCII)
_PBKDF2 = re.compile(r"pbkdf2_sha256\$([1-9]\d{0,7})\$([^$]{1,128})\$([A-Za-z0-9+/]{43}=)", re.ASCII)


def is_affordable(stored: str) -> bool:
    """Whether this is a hash of a kind that we know, and costs no more than we are ready to pay."""
    if len(stored) > _LONGEST:
        return False
    if (rounds := _BCRYPT.fullmatch(stored)) is not None:
        return 4 <= int(rounds[1]) <= _MOST_BCRYPT_ROUNDS
    if (iterations := _PBKDF2.fullmatch(stored)) is not None:
        return int(iterations[1]) <= _MOST_PBKDF2_ITERATIONS
    try:
        cost = extract_parameters(stored)
    except (InvalidHashError, ValueError):
        return False
    return (
        1 <= cost.memory_cost <= _MOST_MEMORY_KIB
        and 1 <= cost.time_cost <= _MOST_PASSES
        and 1 <= cost.parallelism <= _MOST_LANES
    )


def is_outdated(hasher: PasswordHasher, stored: str) -> bool:
    """Whether the password should be hashed again, because we would do it otherwise today."""
    if not stored.startswith("$argon2"):
        return True
    try:
        return hasher.check_needs_rehash(stored)
    except (InvalidHashError, ValueError):
        return True


def matches(hasher: PasswordHasher, stored: str, password: str) -> bool:
    """Whether this is the password that was hashed. Only for what `is_affordable`."""
    if _BCRYPT.fullmatch(stored):
        return _matches_bcrypt(stored, password.encode())
    if (pbkdf2 := _PBKDF2.fullmatch(stored)) is not None:
        return _matches_pbkdf2(int(pbkdf2[1]), pbkdf2[2], pbkdf2[3], password)
    try:
        return hasher.verify(stored, password)
    except (VerificationError, InvalidHashError):
        return False


def _matches_bcrypt(stored: str, password: bytes) -> bool:
    """A password that is longer than bcrypt reads matches nothing: its owner resets it by mail."""
    if len(password) > _BCRYPT_PASSWORD_BYTES:
        return False
    try:
        return bcrypt.checkpw(password, stored.encode())
    except ValueError:
        return False


def _matches_pbkdf2(iterations: int, salt: str, digest: str, password: str) -> bool:
    """As Django writes them."""
    try:
        expected = base64.b64decode(digest, validate=True)
    except binascii.Error:
        return False
    return hmac.compare_digest(
        hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), iterations, len(expected)), expected
    )
