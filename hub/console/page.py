"""A page as view code sees it: who looks, in which language, at which province, what was asked; and what a view gives back."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import psycopg
from chuanyu.exchange.v1 import references_pb2
from starlette.datastructures import FormData, QueryParams

from hub.admin.accounts.accounts import Account
from hub.admin.accounts.roles import STAFF
from hub.admin.accounts.sessions import Session, Subject, find_subject, purpose_for
from hub.console.language import Words
from hub.console.tables import Table
from hub.console.workings import Workings
from hub.domain.errors import HubError, NotRecorded
from hub.domain.instants import in_local, local_day, microseconds_of
from hub.domain.looks import Look, Looker
from hub.domain.participant import PREFIX
from hub.journal.looks import record_look_on
from hub.journal.reader import events_at, head_position
from hub.journal.session_pool import DatabaseAway
from hub.journal.times import last_position_by
from hub.words.names import GROUPS, PROVINCES

# Who the record says has looked: the console, and its user.
CONSOLE = f"{PREFIX}hub.console"


class PageUnknown(HubError):
    """There is no such page, or nothing under this name."""


class PageForbidden(HubError):
    """Your role or your province does not see this page."""


class InputUnfit(HubError):
    """What was given is not of the form that is asked for."""


class LookNotRecorded(HubError):
    """The look could not be recorded, so nothing is shown; try again in a moment."""


class PurposeNeeded(Exception):  # no refusal: the page asks for it.
    """Somebody's record is shown only for a purpose."""

    def __init__(self, handle: str) -> None:
        """*handle* is what it is needed for."""
        super().__init__(handle)
        self.handle = handle


class Known(NamedTuple):
    """A position that a page looks back to, and when it was recorded."""

    position: int
    at_us: int
    at: str


@dataclass(frozen=True, slots=True)
class Shown:
    """What a view gives: a template, what it draws, tables that are files too, the position it is as of; *is_live* refreshes itself.

    With *known* it shows what the hub knew at an earlier position.
    """

    template: str
    title: str
    values: Mapping[str, Any] = field(default_factory=dict)
    tables: tuple[Table, ...] = ()
    as_of: int = 0
    is_live: bool = False
    verdict: str = ""
    known: "Known | None" = None
    status: int = 200


@dataclass(frozen=True, slots=True)
class Moved:
    """What a form gives: the address to go on at."""

    to: str


class File(NamedTuple):
    """What a view gives to keep: a file under a name."""

    name: str
    data: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Page:
    """One request for a page."""

    workings: Workings
    session: Session
    words: Words
    path: str
    parameters: Mapping[str, str]
    query: QueryParams
    form: FormData = field(default_factory=FormData)

    @property
    def account(self) -> Account:
        """Who looks."""
        return self.session.account

    def t(self, zh: str, en: str) -> str:
        """Says something in the language of the page."""
        return self.words.t(zh, en)

    @property
    def province(self) -> str:
        """The province that is looked at, "" for both; somebody of one province sees that one."""
        if len(self.account.provinces) == 1:
            return self.account.provinces[0]
        return self.query.get("province", "") if self.query.get("province", "") in self.account.provinces else ""

    @property
    def is_confined(self) -> bool:
        """Whether somebody sees his own province's feeds alone: its staff, unless he is something else, too."""
        return self.account.roles == (STAFF,)

    def may_see_feed(self, owner: str) -> bool:
        """Whether somebody may see how a feed goes, by its owner."""
        return not self.is_confined or self.may_see(self.workings.province_of(owner))

    def may_see(self, province: str) -> bool:
        """Whether somebody may see what is one province's own."""
        return province in self.account.provinces

    @contextmanager
    def reading(self) -> Iterator[psycopg.Connection]:
        """Gives a session that only reads; raises SessionsBusy or DatabaseAway."""
        with self.workings.readers.session() as connection:
            yield connection

    def whole(self, name: str, default: int = 0, most: int = 2**62) -> int:
        """Returns a number of the path or the query; raises InputUnfit."""
        text = self.parameters.get(name) or self.query.get(name, "")
        if not text:
            return default
        if not (text.isascii() and text.isdigit() and len(text) < 20 and int(text) <= most):
            raise InputUnfit(f"{name}: {text[:40]}")
        return int(text)

    def day(self, name: str) -> date:
        """Returns a day of the query, today without one; raises InputUnfit."""
        text = self.query.get(name, "")
        try:
            return date.fromisoformat(text) if text else self.today
        except ValueError:
            raise InputUnfit(f"{name}: {text[:40]}") from None

    def instant_us(self, name: str) -> int | None:
        """Returns an instant of the query in microseconds, None without one; raises InputUnfit."""
        text = self.query.get(name, "").strip()
        try:
            at = datetime.fromisoformat(text) if text else None
        except ValueError:
            raise InputUnfit(f"{name}: {text[:40]}") from None
        if at is None:
            return None
        if not 1900 <= at.year < 2200:
            raise InputUnfit(f"{name}: {text[:40]}")
        return microseconds_of(at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=in_local(0).tzinfo))

    def known(self, connection: psycopg.Connection) -> Known | None:
        """Returns the position that the query looks back to, by its number or an instant, None without one; raises InputUnfit."""
        text = self.query.get("known", "").strip()
        if not text:
            return None
        head, digits = head_position(connection), text.replace(",", "")
        if digits.isascii() and digits.isdigit() and len(digits) < 19:
            position = min(int(digits), head)
        elif (at_us := self.instant_us("known")) is not None:
            position = last_position_by(connection, at_us)
        else:
            raise InputUnfit
        found = events_at(connection, [position])
        return Known(position, found[0].recorded_us, self.at(found[0].recorded_us)) if found else Known(position, 0, "—")

    @property
    def today(self) -> date:
        """The day in both provinces."""
        return local_day(microseconds_of(datetime.now(UTC)))

    def at(self, at_us: int | None) -> str:
        """Writes an instant in Beijing time."""
        return "—" if not at_us else in_local(at_us).strftime("%Y-%m-%d %H:%M:%S")

    def region(self, code: str) -> str:
        """Returns the name of a region today."""
        found = self.workings.tables.region(code, self.today)
        return self.t(found.name_zh, found.name_en) if found is not None else code

    def scenario(self, code: str) -> str:
        """Returns the name of a scenario today, or that none is named."""
        if not code:
            return self.words.of(GROUPS, "")
        found = self.workings.tables.scenario(code, self.today)
        return self.t(found.name_zh, found.name_en) if found is not None else code

    def of_province(self, code: str) -> str:
        """Returns the name of a province."""
        return self.words.of(PROVINCES, code)

    def link(self, path: str, **query: object) -> str:
        """Returns an address with what of its query is said."""
        said = {name: value for name, value in query.items() if value not in ("", None)}
        return f"{path}?{urlencode(said)}" if said else path

    def subject(self, handle: str) -> Subject:
        """Returns what this session may look at; raises SubjectUnknown."""
        with self.workings.rows.session() as connection:
            return find_subject(connection, self.session, handle)

    def purpose(self, handle: str, card: references_pb2.CardRef | None) -> str:
        """Returns the purpose that was given for a subject; raises PurposeNeeded."""
        with self.workings.rows.session() as connection:
            purpose = purpose_for(connection, self.session, handle, card.key if card is not None else b"")
        if not purpose:
            raise PurposeNeeded(handle)
        return purpose

    def look(self, handle: str, card: references_pb2.CardRef | None, shown: int, position: int = 0) -> int:
        """Records a look for the purpose that was given, and returns its position; raises PurposeNeeded, or LookNotRecorded."""
        look = Look(card, shown, self.purpose(handle, card), position=position)
        try:
            with self.workings.writers.session() as connection:
                return record_look_on(connection, Looker(CONSOLE, self.account.name), look, self.now_us)
        except (NotRecorded, DatabaseAway):
            raise LookNotRecorded from None

    @property
    def now_us(self) -> int:
        """Now, in microseconds since 1970."""
        return microseconds_of(datetime.now(UTC))
