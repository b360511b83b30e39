"""What a row keeps of reports that may give back of each other by number; the count of uses and the rows of fund batches share it."""

from collections.abc import Callable, Collection, Sequence

from chuanyu.exchange.v1 import references_pb2 as references

from hub.domain.business_keys import business_key, key_digest
from hub.domain.given_back import K, late
from hub.domain.tellings import GIVES_BACK, number_text
from hub.journal.reader import Recorded

Keep = Callable[[Recorded, K | None], K]


def own_key(recorded: Recorded) -> bytes:
    """Returns by what its fact is known, as a digest; several views go by it, by `recorded.derived`."""
    return key_digest(business_key(recorded.kind, recorded.event))


def named(recorded: Recorded) -> references.EventRef | None:
    """Returns what an event of a chain changes, by its number."""
    event = recorded.event
    return event.reverses if event.HasField("reverses") else event.corrects if event.HasField("corrects") else None


def gives_back(recorded: Recorded, corrected: Recorded | None) -> bool:
    """Whether it is a reversal by number that says itself how much it gives back, not one of another such reversal."""
    if recorded.kind not in GIVES_BACK or not recorded.event.HasField("reverses"):
        return False
    return corrected is None or corrected.kind not in GIVES_BACK


def kept(reports: Sequence[K], recorded: Recorded, corrected: Recorded | None, keep: Keep[K], *, is_own: bool) -> list[K]:
    """Returns the reports of a row after an event: takes out what is no longer in force, and adds what is now.

    *keep* makes of an event what a row keeps of it; it is handed what the event takes the place of. *is_own* says whether the event is of
    this row.
    """
    if is_own and corrected is None and not recorded.is_reversal and all(one.position != recorded.position for one in reports):
        # Nearly every event: nothing is taken out.
        return [*reports, keep(recorded, None)]
    gives = gives_back(recorded, corrected)
    is_told = is_own and (gives or not recorded.is_reversal)
    found = list(reports)
    before = next((one for one in found if corrected is not None and one.position == corrected.position), None)
    if before is not None:
        found.remove(before)
        if is_told and gives:
            found.append(before.undone_by(recorded.position))
    if is_told:
        # What is in force again is no longer undone, and what undid it is gone.
        undone = {one.undone_at for one in found if one.position == recorded.position}
        found = [one for one in found if one.position != recorded.position and one.position not in undone]
        found.append(keep(recorded, None if gives else before))
    elif is_own and not recorded.event.HasField("reverses"):
        found = late(found, GIVES_BACK, keep(recorded, None), _names(recorded))
    return found


def _names(recorded: Recorded) -> Collection[str]:
    """Returns by which numbers a reversal may name an event: its own, and that of what it corrects, as of one that was quarantined."""
    own = number_text((recorded.stream_id, recorded.sequence))
    return (own,) if recorded.refers_to is None else (own, number_text(recorded.refers_to))
