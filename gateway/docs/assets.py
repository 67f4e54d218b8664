"""The files that the pages are made of: a few of our own, and Swagger UI and ReDoc out of an installed package."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from gateway.asgi import encodings
from gateway.asgi.exchange import Reply

_OURS: Final = Path(__file__).parent
_PACKAGE: Final = "fastapi_offline"  # a carrier of files: found, never imported

_TYPES: Final[Mapping[str, bytes]] = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
}
_FOREVER: Final = (b"cache-control", b"public, max-age=31536000, immutable")  # the name says what is in it


@dataclass(frozen=True, slots=True)
class Asset:
    """A file, and the path that it is served at."""

    path: str
    content_type: bytes
    body: bytes
    packed: bytes

    @property
    def reply(self) -> Reply:
        """The file."""
        headers = ((b"content-type", self.content_type), _FOREVER)
        return Reply(200, headers, self.body, packable=True, packed=self.packed)


def ours(names: Iterable[str]) -> list[Asset]:
    """Files that lie beside this one."""
    return [_asset(_OURS / name) for name in names]


def packaged(names: Iterable[str]) -> list[Asset]:
    """Files of Swagger UI and ReDoc, as they are distributed."""
    spec = find_spec(_PACKAGE)
    assert spec is not None  # it is installed with the gateway
    assert spec.submodule_search_locations is not None
    folder = Path(spec.submodule_search_locations[0]) / "static"
    return [_asset(folder / name) for name in names]


def _asset(file: Path) -> Asset:
    body = file.read_bytes()
    path = f"/docs/{file.stem}-{sha256(body).hexdigest()[:12]}{file.suffix}"
    return Asset(path, _TYPES[file.suffix], body, encodings.packed(body))
