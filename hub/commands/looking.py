"""What commands share that show something of a card: which card, why, and the look that is recorded before anything is printed."""

from datetime import UTC, datetime
from typing import Annotated, NamedTuple

import typer
from chuanyu.exchange.v1 import references_pb2

from hub.commands.database import database
from hub.commands.login import acting
from hub.config import Config
from hub.domain.errors import HubError, RequestInvalid
from hub.domain.instants import microseconds_of, with_zone
from hub.domain.looks import Look, Looker, card_by_key
from hub.domain.participant import OPERATOR
from hub.domain.pseudonym import hmac_sm3
from hub.intake.request_rules import card_named
from hub.journal.looks import Searched, record_look, search
from hub.journal.reader import Recorded
from hub.journal.sessions import session
from hub.projections.views.card_alias import identifiers_of
from hub.trust.keyring import open_keyring, verify_fingerprint

Card = Annotated[str, typer.Option(help="卡号，或枢纽的卡键（64 位十六进制）。Card number, or the hub's key of a card in hex.")]
Issuer = Annotated[str, typer.Option(help="卡号的发卡省 50 或 51。Issuing province of the card number.")]
Purpose = Annotated[str, typer.Option(help="查看事由代码，如 COMPLAINT，入账。Why, as a code such as COMPLAINT; it is recorded.")]
Since = Annotated[str, typer.Option("--from", help="自此（含）；无时区为北京时间。From then on; +08:00 without an offset.")]
Until = Annotated[str, typer.Option("--to", help="至此（不含）。Up to then.")]
Most = Annotated[int, typer.Option(min=1, max=100_000, help="最多条数。How many at most.")]


class CardNotNamed(HubError):
    """卡号须连同发卡省 a card number needs its issuing province, 50 or 51, such as: --issuer 50"""


def keys_of(config: Config, dsn: str, card: str, issuer: str) -> list[bytes]:
    """Returns the keys of all identifiers of a card, none if no card is named; raises CardNotNamed or RequestInvalid."""
    if not card:
        return []
    with session(dsn, "hub_writer", "hub-looks") as connection:
        if len(card) == 64:
            key = _from_hex(card)
        elif issuer not in ("50", "51"):
            raise CardNotNamed
        else:
            named = references_pb2.CardRef(issuing_province=issuer, kind=references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, clear=card)
            name, keyring = card_named(named), open_keyring(config.keys_dir)
            verify_fingerprint(connection, keyring)
            key = hmac_sm3(keyring.pseudonym, name.encode())
        return sorted(identifiers_of(connection, key), key=lambda found: found != key)


def keys_of_one(config: Config, dsn: str, card: str, issuer: str) -> list[bytes]:
    """Returns the keys of all identifiers of a card, the one that was named first; raises CardNotNamed or RequestInvalid."""
    if not card:
        raise CardNotNamed
    return keys_of(config, dsn, card, issuer)


def look_first(dsn: str, keys: list[bytes], issuer: str, shown: int, purpose: str, operator: str, position: int = 0) -> None:
    """Records that an operator looks, and only then lets the command go on; raises RequestInvalid."""
    who = looker(operator, purpose)
    card = card_by_key(issuer, references_pb2.CARD_IDENTIFIER_KIND_CARD_NO, keys[0]) if keys else None
    at_us = microseconds_of(datetime.now(UTC))
    record_look(dsn, who, Look(card, shown, purpose, position=position), at_us)


def looker(operator: str, purpose: str) -> Looker:
    """Returns who looks, the login's name if none is given; raises RequestInvalid, also for a purpose that may not be recorded."""
    name = acting(operator)
    if purpose and not is_purpose(purpose):
        raise RequestInvalid([("purpose", "string.pattern")])
    return Looker(OPERATOR, name)


class Search(NamedTuple):
    """What an operator looks for in the journal, and why."""

    card: str
    issuer: str
    since: str
    until: str
    most: int
    purpose: str
    operator: str

    def found(self, kind: str, texts: list[str], shown: int) -> list[Recorded]:
        """Returns the events of a kind that hold *texts*, the newest first, once the look at them is recorded; raises RequestInvalid."""
        config, window = Config(), (instant_us(self.since, "--from"), instant_us(self.until, "--to"))
        with database(config) as dsn:
            keys = keys_of(config, dsn, self.card, self.issuer)
            with session(dsn, "hub_reader", "hub-looks") as connection:
                found = search(connection, Searched(kind, keys, texts, *window, self.most))
            look_first(dsn, keys, self.issuer, shown, self.purpose, self.operator)
        return found


_INSTANT = "ISO 8601 日期或时刻，如 a day or an instant such as 2026-03-03 or 2026-03-03T10:05+08:00"


def is_purpose(code: str) -> bool:
    """Whether a code may be recorded as a purpose."""
    return code.isascii() and code.upper() == code and code.replace("_", "").isalnum() and code[0].isalpha() and len(code) <= 32


def instant_us(text: str, hint: str) -> int | None:
    """Returns an instant in microseconds since 1970, None for no text; a day is its beginning in +08:00."""
    if not text:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(_INSTANT, param_hint=hint) from None
    return microseconds_of(with_zone(instant))


def _from_hex(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise typer.BadParameter("卡键是 64 位十六进制数。The key of a card is 64 hexadecimal digits.", param_hint="--card") from None
