"""What a terminal shows of a command that failed: of a refusal, of settings that are none, of a file or a database that does not serve."""

from eventsourcing.persistence import PersistenceError
from psycopg import OperationalError

from hub.commands.database import DatabaseUnreachable
from hub.commands.refusals import in_words
from hub.config import SettingsInvalid
from hub.domain.errors import HubError
from hub.postgres.server import EmbeddedPostgresError


def lines_of(error: Exception) -> list[str]:
    """Returns what a terminal shows of an error that is not a fault of the hub, a line each; none for a fault."""
    if isinstance(error, HubError):
        return [in_words(error)]
    if isinstance(error, EmbeddedPostgresError):
        return [f"内嵌数据库 the embedded database: {error}"]
    if isinstance(error, OperationalError | PersistenceError):
        return [str(DatabaseUnreachable(error))]
    if isinstance(error, OSError) and error.filename is not None:
        return [f"文件无法读写 a file cannot be read or written: {error.filename}: {error.strerror}"]
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        # Bytes of the command line that are no UTF-8 are such surrogates in Python.
        return ["参数不是 UTF-8 an argument is not UTF-8"]
    if isinstance(error, SettingsInvalid):
        return error.lines
    return []
