import base64
import os
import subprocess
from pathlib import Path

import pytest

from standalone.keeping import FolderInUse, SecretLost, is_alive, kept_secret, locked, write_secret


def test_a_secret_is_32_random_bytes_that_only_its_owner_reads(tmp_path: Path) -> None:
    secret = kept_secret(tmp_path / "key")
    assert len(base64.urlsafe_b64decode(secret + "=")) == 32
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    assert kept_secret(tmp_path / "key") == kept_secret(tmp_path / "key")
    assert kept_secret(tmp_path / "key") != kept_secret(tmp_path / "other")


def test_a_secret_that_was_half_written_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "key.new").write_text("half")
    assert len(kept_secret(tmp_path / "key")) == 43


def test_a_secret_that_was_lost_is_not_made_anew(tmp_path: Path) -> None:
    """A power cut can leave an empty file; another key would not open what the lost one sealed."""
    (tmp_path / "key").touch()
    with pytest.raises(SecretLost, match="key is empty"):
        kept_secret(tmp_path / "key")


def test_a_secret_never_replaces_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("somebody's")
    with pytest.raises(FileExistsError):
        write_secret(tmp_path / "key", "ours")


def test_a_folder_has_one_user_at_a_time(tmp_path: Path) -> None:
    first = locked(tmp_path / "lock")
    with pytest.raises(FolderInUse, match=rf"in use by another run \(process {os.getpid()}\)"):
        locked(tmp_path / "lock")
    os.close(first)
    os.close(locked(tmp_path / "lock"))


def test_whoever_was_killed_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = locked(tmp_path / "lock")
    os.ftruncate(first, 0)  # nobody alive says that it is theirs
    monkeypatch.setattr("standalone.keeping.time.sleep", lambda _: os.close(first))
    os.close(locked(tmp_path / "lock"))


def test_knows_who_is_alive() -> None:
    assert is_alive(os.getpid())
    assert is_alive(1)
    assert not is_alive(0)
    assert not is_alive(2**22 + 1)  # above the highest process id of Linux


def test_a_process_that_has_ended_is_not_alive_before_its_parent_has_asked() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not is_alive(child.pid)
    child.wait()
