"""What is kept in a folder of ours between runs: secrets that only their owner reads, and a lock."""

import fcntl
import os
import secrets
import time
from pathlib import Path

SUCCESSION_S = 30.0  # how long a killed run's guardians may take to stop its servers


class FolderInUse(Exception):
    """Another run works in this folder."""

    def __init__(self, folder: Path, holder: int) -> None:
        """Name the process that does."""
        super().__init__(f"{folder} is in use by another run (process {holder})")
        self.holder = holder


class SecretLost(Exception):
    """The file of a secret is empty; a new one would not open what the old one did."""

    def __init__(self, path: Path) -> None:
        """Name the file."""
        super().__init__(f"{path} is empty: put the secret back, or start anew in another folder (TANDEM_HOME)")


def locked(path: Path) -> int:
    """Take the lock, for as long as the descriptor that is returned stays open here or in a guardian.

    Raises:
        FolderInUse: Somebody alive has it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + SUCCESSION_S
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = int(os.pread(descriptor, 20, 0) or b"0")
            if is_alive(holder) or time.monotonic() > until:
                os.close(descriptor)
                raise FolderInUse(path.parent, holder) from None
            time.sleep(0.1)  # it was killed; its guardians are still stopping what it started
        else:
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d" % os.getpid(), 0)
            return descriptor


def is_alive(pid: int) -> bool:
    """Whether there is such a process, and it has not ended yet."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # somebody else's, and there
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True  # macOS has no such file
    return not status.rpartition(")")[2].startswith(" Z")  # ended; its parent has not asked how


def kept_secret(path: Path, prefix: str = "") -> str:
    """32 random bytes in base64url, after a prefix that secret scanners know: made once, then read.

    Raises:
        SecretLost: The file is there, and empty.
    """
    if not path.exists():
        fresh = path.with_name(f"{path.name}.new")
        fresh.unlink(missing_ok=True)
        write_secret(fresh, prefix + secrets.token_urlsafe(32))
        fresh.rename(path)
        _sync(path.parent)
    secret = path.read_text()
    if not secret:
        raise SecretLost(path)
    return secret


def write_secret(path: Path, text: str) -> None:
    """A new file that only its owner reads."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        os.fsync(descriptor)


def _sync(folder: Path) -> None:
    """Have the disk know what is in a folder: what a secret opens must not outlive it in a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
