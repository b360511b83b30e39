"""Reads requests for audits, by number, on a session that only reads."""

import psycopg

from hub.domain.audit_errors import AuditUnknown
from hub.domain.audit_request import AuditRequest, code_of, number_of
from hub.journal.numbered import Numbered

REQUESTS = Numbered(AuditRequest, lambda number: AuditRequest.create_id(code_of(number)))
_MOST_KEPT = 2_000


def find(connection: psycopg.Connection, code: str) -> AuditRequest:
    """Returns a request; raises AuditUnknown."""
    found = REQUESTS.at_numbers(connection, [number_of(code)])
    if not found:
        raise AuditUnknown
    return found[0]


def newest(connection: psycopg.Connection, most: int = 100, before: int = 0) -> list[AuditRequest]:
    """Returns requests, the newest first; those before a number, if one is given."""
    return REQUESTS.at_numbers(connection, REQUESTS.newest_numbers(connection, most, before))


class Listed:
    """The requests that a process has listed: a list that is shown again and again reads only those that have changed.

    What is attached to a question is not kept; it may have megabytes. Used from many threads.
    """

    def __init__(self) -> None:
        """Nothing is read yet."""
        self._kept: dict[int, AuditRequest] = {}

    def newest(self, connection: psycopg.Connection, most: int, before: int = 0) -> list[AuditRequest]:
        """Returns requests as `newest` does, without what is attached."""
        numbers = REQUESTS.newest_numbers(connection, most, before)
        known, kept = REQUESTS.versions(connection, numbers), self._kept
        changed = [number for number in numbers if number in known and (number not in kept or kept[number].version != known[number])]
        if len(kept) > _MOST_KEPT:
            self._kept = kept = {}
            changed = list(known)
        for audit in REQUESTS.at_numbers(connection, changed):
            for change in audit.requested.question.what_if.changes:
                # To look into an arm that is not set would set it.
                if change.HasField("rules"):
                    change.rules.ClearField("archive")
                elif change.HasField("reference"):
                    change.reference.ClearField("rows")
            kept[number_of(audit.code)] = audit
        return [kept[number] for number in numbers if number in known]
