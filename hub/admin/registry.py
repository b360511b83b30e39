"""What operators decide: participants with their feeds, and the historical agreements of the reference table. Each is an event."""

import copy
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.admin.agreements import AGREEMENTS_LOCK, all_agreements, others
from hub.admin.participants import find_participant
from hub.domain import reference
from hub.domain.agreement import Agreement, terms_in
from hub.domain.agreement_rules import check_overlap, check_terms
from hub.domain.agreement_table import correct_from_table, seed_agreement, table_terms
from hub.domain.errors import HubError, NotFeedOwner, RequestInvalid
from hub.domain.participant import Participant, is_reserved
from hub.domain.quota import Quota
from hub.domain.reference import Agreement as AgreementRow
from hub.domain.roles import Grant
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.own_events import is_hubs_stream
from hub.journal.recorder import AggregateStore

log = logging.getLogger(__name__)


class ParticipantDiffers(HubError):
    """The participant is registered with another province; a name speaks for one province for ever."""


def register_participant(
    store: AggregateStore, urn: str, province: str, title: str, feeds: list[str], at: datetime, roles: Sequence[Grant] = ()
) -> bool:
    """Registers a participant or gives it further feeds and roles; says whether anything changed. Raises NotFeedOwner, RequestInvalid."""
    registered = decisions.ParticipantRegistered(participant=urn, province=province, title=title, feeds=feeds)
    refuse_invalid(registered)
    if is_reserved(urn):
        raise RequestInvalid([("participant", "reserved")])
    if taken := [(f"feeds[{at}]", "reserved") for at, feed in enumerate(feeds) if is_hubs_stream(feed)]:
        raise RequestInvalid(taken)
    refuse_identifiers(registered, "title")
    owners = store.feed_owners(feeds)
    if any(owner != urn for owner in owners.values()):
        raise NotFeedOwner
    participant = store.get(Participant, Participant.create_id(urn))
    if participant is None:
        participant = Participant.begin("participant_registered", registered, Participant.create_id(urn), at)
    elif participant.province != province:
        raise ParticipantDiffers
    else:
        for feed in feeds:
            participant.add_feed(feed, at)
    for grant in roles:
        participant.grant(grant, at)
    changed = bool(store.save(participant))
    store.ensure_feeds([(feed, urn) for feed in participant.feeds])
    return changed


def change_quota(store: AggregateStore, urn: str, changes: dict[str, int], at: datetime) -> Quota:
    """Changes some limits of a participant, 0 for the default, and returns all; raises ParticipantNotFound."""
    participant = find_participant(store, urn)
    participant.set_quota(participant.quota._replace(**changes), at)
    store.save(participant)
    return participant.quota


@dataclass(slots=True)
class Loaded:
    """What reading the reference table of agreements brought: their codes, and what was left out with the reason."""

    appended: list[str] = field(default_factory=list)
    amended: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    refused: dict[str, str] = field(default_factory=dict)


def load_agreements(store: AggregateStore, at: datetime, rows: Sequence[AgreementRow] | None = None) -> Loaded:
    """Brings the reference table of agreements (or *rows*) into the journal: new rows, and once each edit of a row.

    A row that is gone from the table is reported and stays: an agreement ends by an event. A row that contradicts what both sides
    signed since, or another agreement, is left out and reported.
    """
    loaded = Loaded()
    with store.alone(AGREEMENTS_LOCK):
        recorded = all_agreements(store)
        matched = _match(rows if rows is not None else reference.load().agreements, recorded)
        changed = [agreement for row, before in matched if (agreement := _bring_in(row, before, recorded, loaded, at)) is not None]
        while (problem := _first_problem(changed, recorded)) is not None:
            agreement, error = problem
            loaded.refused[agreement.code] = f"{error} {error.metadata}"
            changed.remove(agreement)
        store.save(*changed)
    for agreement in changed:
        (loaded.appended if len(agreement.history.versions) == 1 else loaded.amended).append(agreement.code)
    kept = {before.id for _, before in matched if before is not None}
    loaded.removed = [a.code for a in recorded if a.id not in kept and a.history.HasField("table_terms")]
    _report(loaded)
    return loaded


def _match(rows: Sequence[AgreementRow], agreements: list[Agreement]) -> list[tuple[AgreementRow, Agreement | None]]:
    """Finds the agreement of each row: by its first day, else by its code, so that a corrected first day is no new agreement."""
    by_id = {agreement.id: agreement for agreement in agreements}
    found = [by_id.get(Agreement.create_id(row.agreement_id, row.valid_from)) for row in rows]
    taken = {agreement.id for agreement in found if agreement is not None}
    free = {a.code: a for a in agreements if a.id not in taken and a.history.HasField("table_terms")}
    return [
        (row, agreement if agreement is not None else free.get(f"{row.agreement_id}/{row.version}"))
        for row, agreement in zip(rows, found, strict=True)
    ]


def _bring_in(row: AgreementRow, before: Agreement | None, recorded: list[Agreement], loaded: Loaded, at: datetime) -> Agreement | None:
    """Makes the agreement as a row wants it; None if it is so already, or if both sides have changed it since."""
    if before is None:
        code = f"{row.agreement_id}/{row.version}"
        if any(other.code == code for other in recorded):
            # A row came in between, and the later ones keep the numbers they were recorded under.
            code = f"{row.agreement_id}/{row.valid_from.isoformat()}"
        return seed_agreement(row, code, at)
    history = before.history
    if history.table_terms == table_terms(row):
        return None
    if history.HasField("proposal") or history.pauses or history.HasField("ended_at") or before.terms != history.table_terms:
        loaded.refused[before.code] = "changed by both sides since; draft an amendment"
        return None
    corrected = copy.copy(before)
    correct_from_table(corrected, row, at)
    return corrected


def _first_problem(changed: list[Agreement], recorded: list[Agreement]) -> tuple[Agreement, HubError] | None:
    """Returns the first of the changed agreements that breaks a rule, seen with all changes made."""
    ids = {agreement.id for agreement in changed}
    known = [agreement for agreement in recorded if agreement.id not in ids] + changed
    for agreement in changed:
        try:
            check_terms(agreement.terms, reference.load())
            check_overlap(terms_in(agreement.history), others(agreement, known))
        except HubError as error:
            return agreement, error
    return None


def _report(loaded: Loaded) -> None:
    if loaded.appended:
        log.info("agreements: %d rows of the reference table are new", len(loaded.appended))
    for code in loaded.amended:
        log.warning("agreements: %s was edited in the reference table; the correction is recorded", code)
    for code in loaded.removed:
        log.warning("agreements: %s is no longer in the reference table; it holds until it is ended", code)
    for code, why in loaded.refused.items():
        log.warning("agreements: %s in the reference table is left out: %s", code, why)
