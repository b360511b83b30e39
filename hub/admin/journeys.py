"""Where journeys are read: those of a person, and trips that clearing refused. Service, command and console ask here.

The taps of a card are found through the card index, so that they cost what they are, and nothing is kept of them a second time.
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import date, timedelta

import psycopg
from chuanyu.exchange.v1 import transit_service_pb2 as protos

from hub.admin.snapshots import Asked, end_us, is_side, position_in, snapshot, told_under
from hub.domain.errors import RequestInvalid
from hub.domain.instants import day_of, epoch_day, local_day
from hub.domain.joint_services.answers import day_asked
from hub.domain.medical.answers import finding_messages
from hub.domain.reference import Reference
from hub.domain.reported import Person, Reported, in_order
from hub.domain.tellings import CLEARING, Number, number_text, telling_of
from hub.domain.transit.answers import MOST, PAGE, gap_message, journey_message, rejected_message
from hub.domain.transit.journeys import ABOUT_TRIPS, JOURNEY_KINDS, Journey, Journeys, journeys_at
from hub.domain.transit.pages import Place, place_of, token_of
from hub.domain.transit.rides import TAP_KINDS, Told
from hub.domain.usage import issuer_of
from hub.journal.corrections import Change, changes_in, corrected_among
from hub.journal.reader import Recorded, events_at, events_named
from hub.projections.views.card_alias import identifiers_of
from hub.projections.views.card_index import CARD_INDEX, positions_naming
from hub.projections.views.refused_trips import REFUSED_TRIPS

MOST_DAYS, MOST_DAYS_REFUSED = 366, 31
Name = tuple[str, int]


def list_journeys(
    connection: psycopg.Connection, reference: Reference, person: Person, request: protos.ListJourneysRequest, asked: Asked
) -> protos.ListJourneysResponse:
    """Returns the journeys of a person; raises RequestInvalid or ViewBehind."""
    at = request.as_of_position
    with snapshot(connection, CARD_INDEX, max(request.min_position, at)) as position:
        told = taps_of(connection, person, at or position)
    return journeys_answer(told, reference, request, asked, at or position)


def taps_of(connection: psycopg.Connection, person: Person, through: int) -> list[Told]:
    """Reads what was reported of a person's taps and about them, as it was in force at a position."""
    names = [*(("card", key) for key in person.cards), *(("person", key) for key in person.holders)]
    events = {one.position: one for one in events_at(connection, positions_naming(connection, names, through), JOURNEY_KINDS)}
    changed = changes_in(connection, corrected_among(connection, sorted(events), through), through)
    events |= {one.position: one for one in events_at(connection, sorted(changed.keys() - events.keys()))}
    trips = {trip for one in events.values() if (trip := trip_named(one)) is not None}
    numbers = {name: number for name, (number, _) in events_named(connection, sorted(trips)).items()}
    return told_in_force((events[at] for at in sorted(events)), changed, numbers)


def trip_named(event: Recorded) -> Name | None:
    """Returns the feed and number of the trip that an event is about, None if it is about none."""
    if event.kind not in ABOUT_TRIPS:
        return None
    trip = getattr(event.event, event.kind).trip
    return trip.feed, trip.sequence


def told_in_force(events: Iterable[Recorded], changed: Mapping[int, Change], numbers: Mapping[Name, Number]) -> list[Told]:
    """Returns what is in force of some events, in order, with what corrections among them change; *numbers* are those of trips."""
    held, first = dict[int, Recorded](), dict[int, str]()
    for event in events:
        change = changed.get(event.position)
        if change is None:
            held |= {} if event.is_reversal else {event.position: event}
            continue
        for out in change.out:
            held.pop(out.position, None)
            if out.event.HasField("corrects"):
                first[event.position] = first.get(out.position) or f"{out.event.corrects.feed}#{out.event.corrects.sequence}"
        held |= {change.into.position: change.into} if change.into is not None else {}
    return [_told(one, first.get(one.position, ""), numbers) for one in held.values() if one.kind in JOURNEY_KINDS]


def _told(event: Recorded, first: str, numbers: Mapping[Name, Number]) -> Told:
    reported = event.reported
    named = trip_named(event)
    trip = () if named is None else ("{}#{}".format(*named), *((number_text(numbers[named]),) if named in numbers else ()))
    if event.kind not in TAP_KINDS | CLEARING:
        return Told(reported, None, trip)
    telling = telling_of(event.kind, event.event, event.position, event.occurred_us, event.recorded_us, (event.stream_id, event.sequence))
    if event.kind in CLEARING:
        return Told(reported, telling._replace(of=trip[-1]), trip)
    return Told(reported, telling._replace(first=first or telling.first))


def journeys_answer(
    told: Iterable[Told], reference: Reference, request: protos.ListJourneysRequest, asked: Asked, position: int
) -> protos.ListJourneysResponse:
    """Returns the answer from the reports of a person's taps."""
    begin, end = _window(request.from_on, request.to_on, asked.today, MOST_DAYS)
    on = day_asked(request.on, "on", asked.today)
    known = _journeys(told, reference, on)
    found = [
        one for one in known.journeys if begin <= date.fromisoformat(one.cell.day) <= end and is_side({one.cell.region[:2]}, asked.province)
    ]
    counted = [one for one in found if one.is_counted]
    answer = protos.ListJourneysResponse(
        total=len(found), uses=len(counted), paid_fen=sum(one.fen for one in counted), as_of_position=position, as_of=on.isoformat()
    )
    answer.journeys.extend(map(journey_message, found[-MOST:]))
    if not asked.province:
        answer.gaps.extend(gap_message(*one) for one in known.gaps[-MOST:] if begin <= day_of(epoch_day(one[1].occurred_us)) <= end)
        answer.findings.extend(finding_messages(known.findings))
    return answer


def _journeys(told: Iterable[Told], reference: Reference, on: date) -> Journeys:
    """Returns the journeys with what had happened at the end of a day."""

    def policy(parameter: str, region: str, at_us: int) -> str:
        found = reference.policy(parameter, region, day_of(epoch_day(at_us)))
        return found.value if found is not None else ""

    return journeys_at(told, policy, end_us(on))


def _window(from_on: str, to_on: str, today: date, most_days: int) -> tuple[date, date]:
    begin, end = day_asked(from_on, "from_on", today), day_asked(to_on, "to_on", today)
    if not begin <= end <= begin + timedelta(days=most_days):
        raise RequestInvalid([("to_on", "out_of_range")])
    return begin, end


def list_rejected_trips(
    connection: psycopg.Connection, reference: Reference, request: protos.ListRejectedTripsRequest, asked: Asked
) -> protos.ListRejectedTripsResponse:
    """Returns a page of trips that clearing refused; raises RequestInvalid or ViewBehind."""
    days, place = _days_refused(request, asked), place_of(request, asked.today)
    with snapshot(connection, CARD_INDEX, max(request.min_position, place.position)) as indexed:
        position = place.position or min(indexed, position_in(connection, REFUSED_TRIPS, request.min_position))
        verdicts = told_under(connection, REFUSED_TRIPS, days, position).reports

        def taps(of_page: Iterable[Reported]) -> Iterable[Told]:
            cards = {key for one in of_page for key in identifiers_of(connection, one.card)}
            return taps_of(connection, Person(frozenset(), frozenset(cards)), position)

        return rejected_answer(verdicts, taps, reference, request, asked, place._replace(position=position))


def _days_refused(request: protos.ListRejectedTripsRequest, asked: Asked) -> list[str]:
    begin, end = _window(request.from_on, request.to_on, asked.today, MOST_DAYS_REFUSED)
    return [(begin + timedelta(days=count)).isoformat() for count in range((end - begin).days + 1)]


def rejected_answer(
    verdicts: Iterable[Reported],
    taps: Callable[[Iterable[Reported]], Iterable[Told]],
    reference: Reference,
    request: protos.ListRejectedTripsRequest,
    asked: Asked,
    place: Place,
) -> protos.ListRejectedTripsResponse:
    """Returns the answer from what clearing refused; *taps* gives what was reported of the taps of the cards of some of it.

    So many refusals a page looks at, and their cards, however many of them the caller's province is a side of.
    """
    days, size = _days_refused(request, asked), request.page_size or PAGE
    of_days = [one for one in in_order(verdicts, end_us(place.on)) if local_day(one.occurred_us).isoformat() in days]
    wanted = [one for one in of_days if request.reason in (0, one.message.reason) and one.when > place.after]
    looked_at = wanted[:MOST]
    reports = list(taps(looked_at))
    trips = {one.reported.position: one.trip for one in reports}
    by_name = {name: one for one in _journeys(reports, reference, place.on).journeys for name in one.ride.numbers}
    answer, last = protos.ListRejectedTripsResponse(as_of_position=place.position, as_of=place.on.isoformat()), place.after
    for one in looked_at:
        journey = next((by_name[name] for name in trips.get(one.position, ()) if name in by_name), None)
        is_own = is_side(_sides(one, journey), asked.province)
        if is_own and len(answer.trips) == size:
            break
        answer.trips.extend([rejected_message(one, journey)] if is_own else [])
        last = one.when
    if wanted and last < wanted[-1].when:
        answer.next_page_token = token_of(place._replace(after=last), request)
    elif not request.page_token:
        answer.total = len(answer.trips)
    return answer


def _sides(verdict: Reported, journey: Journey | None) -> set[str]:
    sides = {verdict.province, issuer_of(verdict.event)}
    return sides if journey is None else sides | {journey.cell.region[:2], journey.cell.issuer}
