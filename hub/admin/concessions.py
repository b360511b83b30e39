"""Where the units of a person's concession in a city are read. Service and command ask here."""

import psycopg
from chuanyu.exchange.v1 import card_accounts_pb2 as accounts
from chuanyu.exchange.v1 import card_service_pb2 as protos

from hub.admin.snapshots import snapshot
from hub.domain.concessions import RIDE, Entry, balance, binding_of, city_of, entries_in, is_elsewhere, scheme_at, year_began
from hub.domain.instants import set_timestamp
from hub.domain.records.known import records_of
from hub.domain.reference import Reference
from hub.domain.reported import Person
from hub.domain.usage import business_day
from hub.journal.reader import events_at
from hub.projections.views.card_standing import facts_of
from hub.projections.views.concessions import CONCESSIONS
from hub.projections.views.concessions import entries_of as read_entries
from hub.projections.views.holder_record import HOLDER_RECORD

MOST = 200


def get_balance(
    connection: psycopg.Connection,
    reference: Reference,
    person: Person,
    request: protos.GetConcessionBalanceRequest,
    at_us: int,
    *,
    with_entries: bool,
) -> protos.GetConcessionBalanceResponse:
    """Returns the units of a person in the city of a region, and what carries them; raises ViewBehind."""
    keys = [*person.cards, *person.holders]
    with snapshot(connection, CONCESSIONS, request.min_position) as position:
        texts = [text for (text,) in connection.execute(_ENTRIES.encode(), (keys, year_began(at_us)))]
        rows = [facts_of(text) for (text,) in connection.execute(_FACTS.encode(), (keys,))]
    region, entries, facts = request.region, read_entries(f"[{','.join(texts)}]"), records_of(rows, {}).facts
    answer = protos.GetConcessionBalanceResponse(
        city=city_of(region), as_of_position=position, as_of_business_day=business_day(RIDE, region, at_us)
    )
    set_timestamp(answer.at, at_us)
    bound = binding_of(facts, region, at_us)
    if bound is not None:
        answer.binding = accounts.ConcessionBinding.Value(f"CONCESSION_BINDING_{bound.detail['binding']}")
    if (scheme := scheme_at(reference, region, at_us)) is not None:
        known = balance(entries, scheme, region, at_us)
        answer.has_scheme, answer.period = True, known.period
        answer.granted, answer.topped_up, answer.used, answer.left = known.granted, known.topped_up, known.used, known.left
        answer.is_overdrawn, answer.is_broken = known.is_overdrawn, known.is_broken
        if known.told_left is not None:
            answer.told_left = known.told_left
        if with_entries:
            shown = entries_in(entries, scheme, region, at_us)[: -MOST - 1 : -1]
            # Nobody's medium is looked at whose concession was never bound.
            media = {one.position: one.event.medium for one in events_at(connection, [one.position for one in shown])} if bound else {}
            for one in shown:
                message = _message(one)
                message.other_medium = is_elsewhere(facts, reference, region, one.occurred_us, media.get(one.position, 0))
                answer.entries.append(message)
    return answer


def _message(entry: Entry) -> protos.ConcessionEntry:
    message = protos.ConcessionEntry(business_day=entry.day, units=entry.units, position=entry.position)
    set_timestamp(message.occurred_at, entry.occurred_us)
    if entry.left is not None:
        message.units_left = entry.left
    return message


_ENTRIES = f"SELECT entry FROM views.{CONCESSIONS.name} WHERE card = ANY (%s) AND day >= %s"  # noqa: S608 (the name of our own view)
_FACTS = f"SELECT facts FROM views.{HOLDER_RECORD.name} WHERE key = ANY (%s)"  # noqa: S608 (the name of our own view)
