"""What makes a well-formed event a bad one: rules that need more than its shape, each with a path and never a value.

Shape is annotated beside the fields in the protos; here are identifiers, places, days, who may say what, and what a kind needs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any

from buf.validate import validate_pb2
from chuanyu.exchange.v1 import event_pb2
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import Message

from hub.domain.card import BEFORE_A_NUMBER, FROM_EITHER_SIDE
from hub.domain.funds.attempts import ROW_ORDER
from hub.domain.funds.batches import BATCH_KINDS
from hub.domain.indicators.facts import ELIGIBLE, INDICATOR_FACTS, OUTLET
from hub.domain.instants import SECOND_US, day_text, epoch_day
from hub.domain.medical.institutions import INSTITUTION_KINDS
from hub.domain.money import wrong_sums
from hub.domain.records.documents import DOCUMENT_KINDS
from hub.domain.records.topics import DECLARED, REGISTER_OWNERS
from hub.domain.reference import Reference
from hub.domain.roles import Rights, is_told_by_case

Violation = tuple[str, str]

DAY_S = 86_400
# First social-security card: December 1999 [S29], from midnight in +08:00.
EARLIEST_S = 943_977_600
# A source's clock may run ahead; more than a day is a wrong date.
AHEAD_S = DAY_S
# The oldest holder was born after the first; no card and no plan reaches beyond the second.
EARLIEST_YEAR, LATEST_YEAR = 1880, 2199
# The organs of a new region take over later than its code; sources go on with the old one for a while [S30].
STALE_REGION_DAYS = 366
_TERM = {"valid_from", "valid_to"}
_DATE_PATTERN = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"

_FIELDS = event_pb2.Event.DESCRIPTOR.oneofs_by_name["kind"].fields
KIND_NUMBERS = {field.name: field.number for field in _FIELDS}
LIFECYCLE_KINDS = frozenset(name for name, number in KIND_NUMBERS.items() if number < 200)
USAGE_KINDS = frozenset(name for name, number in KIND_NUMBERS.items() if 200 <= number < 400)
HUB_KINDS = frozenset(name for name, number in KIND_NUMBERS.items() if number >= 500 and name not in INDICATOR_FACTS) | {
    "loss_request_forwarded",
    "provisional_block_placed",
    "provisional_block_lifted",
    "hotlist_published",
}
# Kinds of usage and control that are about no one person or card.
_ABOUT_NOBODY = frozenset(
    {
        "medical_clearing_reconciled",
        "file_received",
        "file_accepted",
        "file_rejected",
        "control_totals_submitted",
        "recon_break_opened",
        "recon_break_closed",
        "labour_dispute_filed",
        "register_declared_complete",
        OUTLET,
        *BATCH_KINDS,
        *INSTITUTION_KINDS,
    }
)
# A book comes back without a card, and by anybody (A32); a bank answers for an account, and knows no card.
_WITHOUT_A_PERSON = frozenset(
    {"library_item_returned", "fund_row_paid", "fund_row_returned", "fund_row_repaid", "fund_row_recovered", "fund_account_repointed"}
)
# What is known by a number that each province gives by itself, or is a place: only its own province reports it. A batch of funds is of the
# province that pays, and its bank answers for it there.
_OF_OWN_PROVINCE = frozenset({DECLARED, OUTLET, ELIGIBLE, *INSTITUTION_KINDS, *BATCH_KINDS, *ROW_ORDER})
_ABOUT_A_CARD = LIFECYCLE_KINDS | {"loss_request_submitted", "loss_request_refused"} | DOCUMENT_KINDS


@dataclass(frozen=True, slots=True)
class Context:
    """What the edge knows besides the event: what the speaker may report, what time it is, and which feeds are its own."""

    rights: Rights
    now_s: int
    reference: Reference
    owns_feed: Callable[[str], bool]


def violations(event: event_pb2.Event, kind: str, message: Message, context: Context) -> list[Violation]:
    """Returns every rule the event breaks beyond its shape, as (field path, rule). *message* is the kind's own.

    The event may break rules of shape as well: nothing is raised then.
    """
    needs = _NEEDS[kind]
    if needs.is_hub_only:
        return [(kind, "hub_only")]
    found: list[Violation] = []
    occurred_s = event.occurred_at.seconds
    if occurred_s < EARLIEST_S:
        found.append(("occurred_at", "too_early"))
    elif occurred_s > context.now_s + AHEAD_S:
        found.append(("occurred_at", "in_the_future"))
    is_dated = not found and event.HasField("occurred_at")
    if (day := event.business_date) and not is_real_date(day):
        found.append(("business_date", "impossible_date"))
    _check_places(event, occurred_s if is_dated else None, context.reference, found)
    province = context.rights.province
    _check_subject(event, kind, needs, province, found)
    # Of another province's card the rule of the issuer says it already.
    if not needs.issuer or event.card.issuing_province == province or not event.HasField("card"):
        lacking = context.rights.missing_for(kind, event, message)
        if lacking is not None:
            found.append(lacking)
    if needs.date_fields:
        _check_days(kind, message, needs, occurred_s if is_dated else None, found)
    found += [(f"{kind}.{path}", "money_sum") for path in wrong_sums(kind, message)]
    if needs.own_province:
        _check_own_province(event, context.rights, found)
    if kind == DECLARED:
        _check_register(event, context.rights, found)
    if event.HasField("corrects") or event.HasField("reverses"):
        _check_correction(event, context, found)
    return found


def is_case_enough(kind: str) -> bool:
    """Whether these rules look at no field of the kind but its sums, and not at the card, so that envelopes of one case pass alike."""
    needs = _NEEDS[kind]
    return not needs.date_fields and not needs.issuer and needs.roles_by_case


def _check_places(event: event_pb2.Event, occurred_s: int | None, reference: Reference, found: list[Violation]) -> None:
    """Looks at the places on the day of the event; without such a day whether they ever were ones."""
    days = reference.region_days
    if region := event.service_region:
        day = None if occurred_s is None else epoch_day(occurred_s * SECOND_US)
        if region not in days or (day is not None and not may_say_region(reference, region, day)):
            found.append(("service_region", "unknown_region"))
    # A card keeps the region as issued, so any day will do.
    if (region := event.issuer_region) and region not in days:
        found.append(("issuer_region", "unknown_region"))
    if (scenario := event.scenario) and scenario not in reference.scenario_codes:
        found.append(("scenario", "unknown_scenario"))


def may_say_region(reference: Reference, region: str, day: int) -> bool:
    """Whether a code names a place of a day (counted from 1970-01-01), or one that ended so shortly before that sources still say it."""
    known = reference.region_days.get(region)
    return known is not None and known[0] <= day < known[1] + STALE_REGION_DAYS


def _check_days(kind: str, message: Any, needs: "_Needs", occurred_s: int | None, found: list[Violation]) -> None:
    for path in needs.date_fields:
        if (day := getattr(message, path)) and not is_real_date(day):
            found.append((f"{kind}.{path}", "impossible_date"))
        elif path == "birth_date" and occurred_s is not None and day > local_date(occurred_s):
            found.append((f"{kind}.{path}", "born_later"))
    if needs.has_term and message.valid_to and message.valid_to < message.valid_from:
        found.append((f"{kind}.valid_to", "ends_before_it_begins"))


def _check_subject(event: event_pb2.Event, kind: str, needs: "_Needs", province: str, found: list[Violation]) -> None:
    has_card = event.HasField("card")
    if needs.card and not has_card:
        if kind not in BEFORE_A_NUMBER:
            found.append(("card", "required"))
        elif not event.HasField("holder"):
            found.append(("card", "card_or_holder_required"))
        elif needs.issuer and (event.issuer_region or province)[:2] != province:
            found.append((kind, "issuer_only"))
    elif needs.issuer and event.card.issuing_province != province:
        found.append((kind, "issuer_only"))
    elif needs.subject and not has_card and not event.HasField("holder"):
        found.append(("card", "card_or_holder_required"))
    if event.card_aliases or kind == "social_function_activated":
        _check_same_province(event, kind, province, found)


def _check_same_province(event: event_pb2.Event, kind: str, province: str, found: list[Violation]) -> None:
    """Refuses to tie the card to an identifier of the other province's, and to cancel a predecessor that is not the speaker's to cancel."""
    issuer = event.card.issuing_province
    if any(alias.issuing_province != issuer for alias in event.card_aliases):
        found.append(("card_aliases.issuing_province", "other_province"))
    activated = event.social_function_activated
    if activated.HasField("supersedes") and activated.supersedes.issuing_province != issuer:
        found.append((f"{kind}.supersedes.issuing_province", "other_province"))
    elif activated.HasField("supersedes") and issuer != province:
        # An enabling may be taken at a window of the other side; what it ends is for the issuer to say.
        found.append((f"{kind}.supersedes", "issuer_only"))


def _check_correction(event: event_pb2.Event, context: Context, found: list[Violation]) -> None:
    if event.HasField("corrects") and event.HasField("reverses"):
        found.append(("corrects", "corrects_and_reverses"))
    for name in ("corrects", "reverses"):
        if event.HasField(name) and not context.owns_feed(getattr(event, name).feed):
            found.append((f"{name}.feed", "not_your_feed"))


def _check_own_province(event: event_pb2.Event, rights: Rights, found: list[Violation]) -> None:
    """What is about a place or a number of a province is about one of who reports it."""
    if not event.service_region:
        found.append(("service_region", "required"))
    elif event.service_region[:2] != rights.province:
        found.append(("service_region", "other_province"))


def _check_register(event: event_pb2.Event, rights: Rights, found: list[Violation]) -> None:
    """Only who keeps a register says that it is whole."""
    role, scenario = REGISTER_OWNERS.get(event.register_declared_complete.register, ("", ""))
    if role and (role not in rights.roles or (scenario and not rights.serves_scenario(scenario))):
        found.append((f"{DECLARED}.register", "role_missing"))


def local_date(occurred_s: int) -> str:
    """Returns the local day of an instant as yyyy-MM-dd."""
    return day_text(epoch_day(occurred_s * SECOND_US))


@lru_cache(maxsize=4096)
def is_real_date(text: str) -> bool:
    """Whether a yyyy-MM-dd names a day of the calendar that a record can mean: 0001-01-01 and 9999-12-31 mean none."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return False
    return len(text) == 10 and EARLIEST_YEAR <= day.year <= LATEST_YEAR


def _date_fields(kind: Descriptor | None) -> tuple[str, ...]:
    """Returns the fields of a kind that hold a date, by their annotation."""
    assert kind is not None, "every kind is a message"
    return tuple(field.name for field in kind.fields if field.GetOptions().Extensions[validate_pb2.field].string.pattern == _DATE_PATTERN)


@dataclass(frozen=True, slots=True)
class _Needs:
    """What a kind needs: a card, its issuer or province as the speaker, a subject; its dates, and whether they are a first and a last day;
    whether a case says who may report it.
    """

    is_hub_only: bool
    card: bool
    issuer: bool
    subject: bool
    own_province: bool
    date_fields: tuple[str, ...]
    has_term: bool
    roles_by_case: bool


_NEEDS = {
    field.name: _Needs(
        is_hub_only=field.name in HUB_KINDS,
        card=field.name in _ABOUT_A_CARD,
        issuer=field.name in _ABOUT_A_CARD and field.name not in FROM_EITHER_SIDE,
        subject=field.name not in _ABOUT_NOBODY | _WITHOUT_A_PERSON,
        own_province=field.name in _OF_OWN_PROVINCE,
        date_fields=_date_fields(field.message_type),
        # Of a filing it is never in force, and a finding.
        has_term=field.name in INDICATOR_FACTS and set(_date_fields(field.message_type)) >= _TERM,
        roles_by_case=is_told_by_case(field),
    )
    for field in _FIELDS
}
