"""Where a mirror reads a log: its site, or a folder that has the same files."""

from collections.abc import Callable
from pathlib import Path

from hub.domain.errors import HubError
from hub.tlog import web
from hub.tlog.web import Unreachable

# Gives the bytes of a path below the log's prefix; raises SourceLacks, Unreachable.
Source = Callable[[str], bytes]


class SourceLacks(HubError):
    """The log's site or folder does not have this; try again, or take another source."""


def source_of(where: str) -> Source:
    """Returns what reads an address or a folder."""
    return _site(where) if "://" in where else _folder(Path(where))


def _site(url: str) -> Source:
    def read(path: str) -> bytes:
        address = f"{url.rstrip('/')}/{path}"
        answer = web.call(address)
        if answer.status == 404:
            raise SourceLacks(address)
        if answer.status != 200:
            raise Unreachable(f"{address}: {answer.status}")
        return answer.body

    return read


def _folder(directory: Path) -> Source:
    def read(path: str) -> bytes:
        try:
            return (directory / path).read_bytes()
        except FileNotFoundError:
            raise SourceLacks(str(directory / path)) from None
        except OSError as failure:
            raise Unreachable(f"{directory / path}: {failure.strerror}") from None

    return read
