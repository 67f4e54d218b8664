"""How much is under way at a time. What would be too much is refused at once, before it costs memory.

A server that answers nobody because it answers everybody helps nobody: who is refused comes again, or asks another
replica. Probes are never refused.
"""

from dataclasses import dataclass

from gateway.errors import Refusal, refused, retry_later


@dataclass(slots=True)
class Load:
    """What is under way, and the most that may be."""

    most_requests: int
    most_streams: int
    most_bytes: int
    """Of bodies that are held at a time, before and after they are unpacked."""
    requests: int = 0
    streams: int = 0
    bytes: int = 0

    def slot(self, *, stream: bool) -> "Slot":
        """Room for one more.

        Raises:
            Refusal: There is none.
        """
        if stream:
            if self.streams >= self.most_streams:
                raise _too_much()
            self.streams += 1
        else:
            if self.requests >= self.most_requests:
                raise _too_much()
            self.requests += 1
        return Slot(self, stream=stream)


class Slot:
    """The room that one request has taken."""

    __slots__ = ("_bytes", "_load", "_stream")

    def __init__(self, load: Load, *, stream: bool) -> None:
        """To be left when the request has ended."""
        self._load = load
        self._stream = stream
        self._bytes = 0

    def hold(self, size: int) -> None:
        """Take room for so many bytes more.

        Raises:
            Refusal: There is none.
        """
        if self._load.bytes + size > self._load.most_bytes:
            raise _too_much()
        self._load.bytes += size
        self._bytes += size

    def leave(self) -> None:
        """Give everything back."""
        self._load.bytes -= self._bytes
        if self._stream:
            self._load.streams -= 1
        else:
            self._load.requests -= 1


def _too_much() -> Refusal:
    detail, header = retry_later(1)
    message = "too much is under way at the moment"
    return refused(503, "UNAVAILABLE", "OVERLOADED", message, headers=[header], details=[detail])
