"""Instants and days: microseconds since 1970 in UTC, and the calendar day in +08:00, which the law of both provinces counts by.

A day is a `date`, or its number counted from 1970-01-01 where a table is searched by it. Nothing here reads a clock.
"""

from datetime import UTC, date, datetime, time, timedelta, timezone
from functools import lru_cache

from google.protobuf.timestamp_pb2 import Timestamp

LOCAL = timezone(timedelta(hours=8))
SECOND_US = 1_000_000
MINUTE_US = 60 * SECOND_US
HOUR_US = 60 * MINUTE_US
DAY_US = 24 * HOUR_US
_LOCAL_US = 8 * HOUR_US
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()


def microseconds(message: Timestamp) -> int:
    """Returns microseconds since 1970 of a message."""
    return int(message.seconds * SECOND_US + message.nanos // 1_000)


def timestamp(us: int) -> Timestamp:
    """Returns the message of microseconds since 1970."""
    return Timestamp(seconds=us // SECOND_US, nanos=us % SECOND_US * 1_000)


def set_timestamp(message: Timestamp, us: int) -> None:
    """Sets a message to microseconds since 1970."""
    message.seconds, rest = divmod(us, SECOND_US)
    message.nanos = rest * 1_000


def instant(us: int) -> datetime:
    """Returns the UTC instant of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=us)


def microseconds_of(at: datetime) -> int:
    """Returns microseconds since 1970 of an instant."""
    return (at - _EPOCH) // timedelta(microseconds=1)


def epoch_day(at_us: int) -> int:
    """Returns the calendar day in +08:00 of an instant, counted from 1970-01-01."""
    return (at_us + _LOCAL_US) // DAY_US


def epoch_day_of(day: date) -> int:
    """Returns the number of a calendar day, counted from 1970-01-01."""
    return day.toordinal() - _EPOCH_ORDINAL


def day_of(epoch_day: int) -> date:
    """Returns the calendar day of a number counted from 1970-01-01."""
    return date.fromordinal(_EPOCH_ORDINAL + epoch_day)


@lru_cache(4_096)
def day_text(epoch_day: int) -> str:
    """Returns the calendar day of a number counted from 1970-01-01, as yyyy-MM-dd."""
    return day_of(epoch_day).isoformat()


def local_day(at_us: int) -> date:
    """Returns the calendar day in +08:00 of an instant."""
    return day_of(epoch_day(at_us))


def midnight_us(epoch_day: int) -> int:
    """Returns the instant at which a day, counted from 1970-01-01, begins in +08:00."""
    return epoch_day * DAY_US - _LOCAL_US


def local_midnight(day: date) -> datetime:
    """Returns the instant in UTC at which a day begins in +08:00."""
    return datetime.combine(day, time(), LOCAL).astimezone(UTC)


def in_local(us: int) -> datetime:
    """Returns microseconds since 1970 as a clock in +08:00 shows them."""
    return instant(us).astimezone(LOCAL)


def with_zone(at: datetime) -> datetime:
    """Returns an instant that was written without a zone as one in +08:00."""
    return at if at.tzinfo is not None else at.replace(tzinfo=LOCAL)
