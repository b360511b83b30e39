"""What is counted of answers (K10), losses (K11), concession units (K17), payments (K19) and returned books (K20)."""

from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.domain.business_keys import business_key, key_digest
from hub.domain.concessions import Entry, scheme_at
from hub.domain.culture.loans import loans_at
from hub.domain.funds.rows import CAME_BACK, CAME_BACK_LATE, PAID_OUT, fold_row
from hub.domain.instants import SECOND_US, local_day, microseconds
from hub.indicators.cards import cards
from hub.indicators.counted import Asked, Found, One, first_day
from hub.indicators.places import places
from hub.indicators.record import Known
from hub.indicators.service_counts import direction
from hub.projections.views.concessions import CONCESSIONS
from hub.projections.views.culture import LOANS
from hub.projections.views.funds import FUND_ROWS
from hub.projections.views.reports import reported

_TAPS = ("transit_exit_recorded", "transit_journey_completed", "transit_journey_incomplete")
_ACCEPTED = frozenset({acceptance.ACCEPTANCE_OUTCOME_ACCEPT, acceptance.ACCEPTANCE_OUTCOME_ACCEPT_NO_CONCESSION})
_ANSWERED = frozenset({PAID_OUT, CAME_BACK, CAME_BACK_LATE})


def answers(known: Known, asked: Asked) -> Found:
    """K10: answers in the window, and whether each accepts; taps without an answer are beside them, each once."""
    made = known.events(("decision_made",))
    ones = []
    for one in made:
        if asked.has(one.occurred_us):
            event, outcome = one.event, one.event.decision_made.outcome
            way = direction(event.card.issuing_province, event.service_region)
            name = acceptance.AcceptanceOutcome.Name(outcome).removeprefix("ACCEPTANCE_OUTCOME_")
            ones.append(One(one.position, outcome in _ACCEPTED, {"scenario": event.scenario, "direction": way, "outcome": name}))
    taps = [one for one in known.events(_TAPS) if not one.event.decision_position]
    offline = {key_digest(business_key(one.kind, one.event)) for one in taps if asked.has(one.occurred_us)}
    return Found(tuple(ones), first_day(one.occurred_us for one in (*made, *taps)), {"offline_taps": len(offline)})


def losses(known: Known, asked: Asked) -> Found:
    """K11: losses across the border in the window, whether the issuer confirmed each, and after how many seconds."""
    events = known.events(("loss_opened", "loss_closed"))
    closed = {one.stream_id: one for one in events if one.kind == "loss_closed" and one.occurred_us <= asked.end_us}
    ones, seconds = [], []
    for one in (one for one in events if one.kind == "loss_opened"):
        requested_us = microseconds(one.event.loss_opened.requested_at)
        if not asked.has(requested_us):
            continue
        end = closed.get(one.stream_id)
        is_in = end is not None and end.event.loss_closed.outcome == decisions.LOSS_OUTCOME_CONFIRMED
        ones.append(One(one.stream_id, is_in, {"province": one.event.loss_opened.card.issuing_province}))
        if end is not None and is_in:
            seconds.append((end.occurred_us - requested_us) // SECOND_US)
    lasted = sorted(max(0, one) for one in seconds)
    beside = {
        "p50_s": _at(lasted, 50),
        "p95_s": _at(lasted, 95),
        "max_s": _at(lasted, 100),
        "confirmed_first": sum(one < 0 for one in seconds),
    }
    return Found(tuple(ones), first_day(one.occurred_us for one in events), beside)


def _at(ordered: list[int], percent: int) -> int | None:
    """Returns the smallest figure that so many of a hundred do not exceed, None where there are too few to show."""
    return ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None


def units(known: Known, asked: Asked) -> Found:
    """K17: units used in the period of the day, and those granted to the persons who used any, by city."""
    holders = {card.key: card.holder(asked.end_us) or card.key for card in cards(known)}
    entries: dict[tuple[bytes, str], list[Entry]] = {}
    states = [state for state in known.states(CONCESSIONS).values() if state.reports]
    for state in states:
        entries.setdefault((holders.get(state.card, state.card), state.city), []).append(state.entry)
    ones = []
    for (person, city), told in entries.items():
        scheme = scheme_at(asked.reference, city, asked.end_us)
        if scheme is None:
            continue
        period = asked.day.isoformat()[: 4 if scheme.period == "YEAR" else 7]
        own = [one for one in told if one.day.startswith(period) and one.day <= asked.day.isoformat()]
        used = sum(one.units for one in own if one.units > 0)
        if used:
            granted = scheme.units - sum(one.units for one in own if one.units < 0)
            ones += [One((person, city), True, {"city": city}, used), One((person, city), False, {"city": city}, granted)]
    return Found(tuple(ones), first_day(one.occurred_us for state in states for one in state.reports))


def payments(known: Known, asked: Asked) -> Found:
    """K19: rows that the bank first answered in the window, and whether they were paid at once and did not come back."""
    rows = known.states(FUND_ROWS)
    ones = []
    for key, row in rows.items():
        folded = fold_row(row.reports, asked.end_us)
        if not folded.attempts or folded.attempts[0].outcome not in _ANSWERED or not asked.has(folded.attempts[0].answered_us):
            continue
        first = folded.attempts[0]
        ones.append(One(key, first.outcome == PAID_OUT, {"province": row.province, "reason": str(first.reason or "PAID")}))
    return Found(tuple(ones), first_day(one.occurred_us for row in rows.values() for one in row.reports))


def returns(known: Known, asked: Asked) -> Found:
    """K20: items returned in the window, and whether to another library than the one that owns each."""
    rows = [(key[1], row) for key, row in known.states(LOANS).items() if row.spans.endswith("-")]
    loans = loans_at([one for position, row in rows if (one := reported(position, row)).kind.startswith("library_item_")], asked.end_us)
    ones, moved = [], set()
    for loan in loans:
        end = loan.ended
        if loan.state != "RETURNED" or end is None or not asked.has(end.occurred_us):
            continue
        region = end.event.service_region
        where = places(asked.reference, region, local_day(end.occurred_us), asked.day)
        ones.append(One(end.position, loan.is_cross_return, {"province": region[:2], **where}))
        if loan.is_cross_return:
            moved.add((loan.owner, loan.barcode))
    return Found(tuple(ones), first_day(row.occurred_us for _, row in rows), {"volumes": len(moved)})
