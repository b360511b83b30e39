"""Where operators give participants roles and take them back; what they ask for is checked here, and each act is an event."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from datetime import datetime

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions

from hub.admin.participants import all_participants, changing, find_participant
from hub.domain.errors import HubError
from hub.domain.participant import Participant
from hub.domain.reference import Reference
from hub.domain.role_table import READS, ROLES, covers
from hub.domain.roles import NO_PARTS, PARTS, Grant, Scope, every_role, role_number
from hub.intake.request_rules import refuse_identifiers, refuse_invalid
from hub.journal.recorder import AggregateStore


class RoleUnknown(HubError):
    """There is no such role; see `hub participants roles`."""


class RoleScopeMissing(HubError):
    """A role of this kind says how far it reaches."""


class RoleScopeUnknown(HubError):
    """A scope names what is not there."""


class RoleScopeUnused(HubError):
    """None of the roles takes this part of a scope."""


def grants_of(roles: Sequence[str], parts: Mapping[str, Sequence[str]], reference: Reference) -> list[Grant]:
    """Returns what an operator wants to grant, each role with the parts of the scope that it takes.

    Raises RoleUnknown, RoleScopeMissing, RoleScopeUnused, RoleScopeUnknown or RequestInvalid.
    """
    given = {part: tuple(sorted(set(values))) for part, values in parts.items() if values}
    used: set[str] = set()
    grants = []
    for role in roles:
        if role not in ROLES:
            raise RoleUnknown(role)
        takes = PARTS.get(role, NO_PARTS)
        if missing := [part for part in takes.needed if part not in given]:
            raise RoleScopeMissing(f"{role}: {', '.join(missing)}")
        mine = {part: values for part, values in given.items() if part in (*takes.needed, *takes.optional)}
        used.update(mine)
        grants.append(Grant(role, Scope(**mine)))
    if unused := sorted(given.keys() - used):
        raise RoleScopeUnused(", ".join(unused))
    _check(given, reference)
    for grant in grants:
        refuse_invalid(decisions.ParticipantRoleGranted(role=role_number(grant.role), scope=grant.message()))
    return grants


def _check(given: Mapping[str, Sequence[str]], reference: Reference) -> None:
    """Raises RoleScopeUnknown for a scenario, region or subject of reading that no table knows; a bank's code is its province's own."""
    known = {
        "scenarios": lambda pattern: any(covers(pattern, code) for code in reference.scenario_codes),
        "regions": lambda prefix: any(code.startswith(prefix) for code in reference.regions),
        "issuer_regions": lambda prefix: any(code.startswith(prefix) for code in reference.regions),
        "reads": READS.__contains__,
    }
    for part, is_known in known.items():
        if unknown := [value for value in given.get(part, ()) if not is_known(value)]:
            raise RoleScopeUnknown(f"{part}: {', '.join(unknown)}")


def grant_roles(store: AggregateStore, name: str, grants: Sequence[Grant], at: datetime) -> list[Grant]:
    """Grants roles to a participant and returns those that are new or changed; raises ParticipantNotFound or ParticipantChanged."""
    with changing(store, name) as participant:
        return [grant for grant in grants if participant.grant(grant, at)]


def revoke_role(store: AggregateStore, name: str, role: str, reason_code: str, at: datetime) -> None:
    """Takes a role back; raises RoleUnknown, RoleNotGranted, RequestInvalid, ParticipantNotFound or ParticipantChanged."""
    if role not in ROLES:
        raise RoleUnknown(role)
    revoked = decisions.ParticipantRoleRevoked(role=role_number(role), reason_code=reason_code)
    refuse_invalid(revoked)
    refuse_identifiers(revoked, "reason_code")
    with changing(store, name) as participant:
        participant.revoke(role, reason_code, at)


def without_roles(store: AggregateStore) -> list[Participant]:
    """Returns the participants that have no role at all, so that everything but their feeds' numbers is refused them."""
    return [participant for participant in all_participants(store) if participant.province and not participant.roles]


def names_without_roles(dsn: str) -> list[str]:
    """Returns their names, by a database."""
    with closing(AggregateStore(dsn)) as store:
        return [participant.name for participant in without_roles(store)]


def as_before(store: AggregateStore, name: str) -> list[Participant]:
    """Returns whom `hub participants grant-as-before` is about: one, or all that have no role; raises ParticipantNotFound."""
    return [find_participant(store, name)] if name else without_roles(store)


AS_BEFORE = every_role()
