"""What a participant may do: its roles and how far each reaches, folded into rights that the edge asks.

A participant has each role once, none by default. Equal roles of one province are one and the same `Rights`, so that what passed once
under them can be remembered by it. What a role reaches is checked on what an event or a question says of itself.
"""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from chuanyu.exchange.v1 import event_pb2, references_pb2, roles_pb2
from google.protobuf.descriptor import FieldDescriptor

from hub.domain.card import BEFORE_A_NUMBER
from hub.domain.errors import RoleMissing
from hub.domain.role_table import NOBODY, READS, ROLES, Needed, covers, role_table


class Parts(NamedTuple):
    """What the scope of a role is made of: the parts that it needs, and those that it may have."""

    needed: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()


NO_PARTS = Parts()
PARTS: Mapping[str, Parts] = {
    "ISSUER": Parts(optional=("issuer_regions",)),
    "SERVICE_POINT": Parts(("scenarios", "regions")),
    "SERVICE_WINDOW": Parts(("regions",)),
    "BANK": Parts(optional=("banks",)),
    "READER": Parts(("reads",)),
}
# What a scope looks at in the message of a kind.
_SCOPE_FIELDS = ("accepted_at_region", "bank_code")
# The issuer ties any identifier to its card; who keeps one of the card's other lives, that life's own.
_ALIASES = {
    "BANK": references_pb2.CARD_IDENTIFIER_KIND_BANK_ACCOUNT,
    "TRANSIT_OPERATOR": references_pb2.CARD_IDENTIFIER_KIND_TRANSIT_CARD_NO,
    "ECARD_PLATFORM": references_pb2.CARD_IDENTIFIER_KIND_SIGN_NO,
}
_CARD_NO = references_pb2.CARD_IDENTIFIER_KIND_CARD_NO
PROVINCES = ("50", "51")
# Questions come by a few scenarios and places: what was found once is not looked for again.
_SERVED_PAIRS = 10_000


class Scope(NamedTuple):
    """How far a role reaches, each part in order: patterns of scenarios, prefixes of regions, banks, what is read."""

    scenarios: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    issuer_regions: tuple[str, ...] = ()
    banks: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()


class Grant(NamedTuple):
    """A role and how far it reaches."""

    role: str
    scope: Scope = Scope()

    def message(self) -> roles_pb2.RoleScope:
        """Returns the scope as it is recorded."""
        scope = self.scope
        reads = [roles_pb2.ReadScope.Value(f"READ_SCOPE_{name}") for name in scope.reads]
        return roles_pb2.RoleScope(
            scenarios=scope.scenarios, regions=scope.regions, issuer_regions=scope.issuer_regions, banks=scope.banks, reads=reads
        )


def role_number(role: str) -> Any:
    """Returns the number of a role in the protocol."""
    return roles_pb2.ParticipantRole.Value(f"PARTICIPANT_ROLE_{role}")


def role_name(number: int) -> str:
    """Returns the name of a role, by its number if a newer release granted it."""
    known = roles_pb2.ParticipantRole.DESCRIPTOR.values_by_number.get(number)
    return str(number) if known is None else str(known.name).removeprefix("PARTICIPANT_ROLE_")


def scope_of(recorded: roles_pb2.RoleScope) -> Scope:
    """Returns a recorded scope; what a newer release reads and this one does not know is left out."""
    known = roles_pb2.ReadScope.DESCRIPTOR.values_by_number
    reads = sorted(str(known[number].name).removeprefix("READ_SCOPE_") for number in recorded.reads if number in known)
    return Scope(
        tuple(sorted(recorded.scenarios)),
        tuple(sorted(recorded.regions)),
        tuple(sorted(recorded.issuer_regions)),
        tuple(sorted(recorded.banks)),
        tuple(reads),
    )


def every_role() -> tuple[Grant, ...]:
    """Returns every role with the widest scope: what a registered participant could do before there were roles."""
    widest = Scope(("*",), PROVINCES, reads=tuple(sorted(READS)))
    needed = {role: PARTS.get(role, NO_PARTS).needed for role in ROLES}
    return tuple(Grant(role, Scope(**{part: getattr(widest, part) for part in parts})) for role, parts in needed.items())


class Rights:
    """What one participant may do; make it by `rights_of`."""

    def __init__(self, province: str, grants: Iterable[Grant]) -> None:
        """*province* is the participant's, "" for the hub's own."""
        self.province = province
        self.scopes = dict(grants)
        self._roles = frozenset(self.scopes)
        self._calls = frozenset(call for call, needed in role_table().calls.items() if not needed.roles or set(needed.roles) & self._roles)
        self._served: set[tuple[str, str]] = set()
        point = self.scopes.get("SERVICE_POINT", Scope())
        self._regions = point.regions
        self._serves_all = "*" in point.scenarios
        self._scenarios = frozenset(point.scenarios)
        self._groups = tuple(pattern[:-1] for pattern in point.scenarios if pattern.endswith(".*"))
        self.reads = frozenset(self.scopes.get("READER", Scope()).reads)

    @property
    def served_regions(self) -> tuple[str, ...]:
        """The prefixes of the regions that it is a service point of, none if it is none."""
        return self._regions

    @property
    def roles(self) -> frozenset[str]:
        """The names of its roles."""
        return self._roles

    def require(self, method: str) -> None:
        """Raises RoleMissing unless it may make a call; one that the table does not name is nobody's."""
        if method in self._calls:
            return
        needed = role_table().calls.get(method)
        raise RoleMissing(**({} if needed is None else {"role": ",".join(needed.roles)}))

    def require_serving(self, scenario: str, region: str) -> None:
        """Raises RoleMissing unless it is a service point of a scenario and a region."""
        if (scenario, region) in self._served:
            return
        self.require_region(region)
        if not self.serves_scenario(scenario):
            raise RoleMissing(role="SERVICE_POINT", scope="scenarios")
        if len(self._served) < _SERVED_PAIRS:
            self._served.add((scenario, region))

    def require_region(self, region: str) -> None:
        """Raises RoleMissing unless it is a service point of a region."""
        if "SERVICE_POINT" not in self._roles:
            raise RoleMissing(role="SERVICE_POINT")
        if not region.startswith(self._regions):
            raise RoleMissing(role="SERVICE_POINT", scope="regions")

    def serves_scenario(self, scenario: str) -> bool:
        """Whether it is a service point of a scenario, somewhere."""
        return self._serves_all or scenario in self._scenarios or scenario.startswith(self._groups)

    def issues(self, province: str, region: str = "") -> bool:
        """Whether a card of a province and an issuing region is its own to issue; "" is a region that is not known, or any of them."""
        scope = self.scopes.get("ISSUER")
        if scope is None or self.province not in ("", province):
            return False
        return not scope.issuer_regions or region.startswith(scope.issuer_regions)

    def missing_for(self, kind: str, event: event_pb2.Event, message: Any) -> tuple[str, str] | None:
        """Returns the rule that an event breaks because it is not this participant's to report, with its field path; None if it is."""
        needed = role_table().kinds.get(kind, NOBODY)
        found: tuple[str, str] | None = None
        for role in needed.roles:
            if role not in self._roles:
                continue
            lacking = self._lacks(role, needed, event, message)
            if lacking is None:
                return None
            found = found or (lacking and (lacking, "role_scope")) or None
        return found or (kind, "role_missing")

    def _lacks(self, role: str, needed: Needed, event: event_pb2.Event, message: Any) -> str | None:
        """Returns the field that lies beyond a role's scope, "" where the role is not about such a card; None if all is within."""
        scope = self.scopes[role]
        if role == "ISSUER":
            if _issuer_of(event, self.province) != self.province:
                return ""
            return None if self.issues(self.province, event.issuer_region) else "issuer_region"
        if role == "SERVICE_POINT" and not self._tells_of(needed.scenarios, event.scenario):
            return "scenario"
        kind = event.WhichOneof("kind")
        if scope.regions and (place := _place_beyond(scope.regions, event, message)):
            return place if place == "service_region" else f"{kind}.{place}"
        if scope.banks and (bank := getattr(message, "bank_code", None)) is not None and bank not in scope.banks:
            return f"{kind}.bank_code"
        # Who issues the card may tie any of its identifiers, whatever else it is.
        if event.card_aliases and not self.issues(event.card.issuing_province, event.issuer_region):
            kinds = {alias.kind for alias in event.card_aliases}
            # Who knows the card's number names the card by it: as an alias it says that a card is another one.
            if kinds - {_ALIASES[role]} if role in _ALIASES else _CARD_NO in kinds:
                return "card_aliases.kind"
        return None

    def _tells_of(self, patterns: tuple[str, ...], scenario: str) -> bool:
        """Whether it serves the scenario of an event of a kind with these patterns; all of them, if the event does not say which."""
        if self._serves_all:
            return True
        if scenario:
            return self.serves_scenario(scenario) and any(covers(pattern, scenario) for pattern in patterns)
        return all(any(covers(granted, pattern) for granted in self.scopes["SERVICE_POINT"].scenarios) for pattern in patterns)


def _issuer_of(event: event_pb2.Event, speaker: str) -> str:
    """Returns the province whose card an event is about; an application without a number says it by its region, else the speaker's."""
    if event.HasField("card") or event.WhichOneof("kind") not in BEFORE_A_NUMBER:
        return event.card.issuing_province
    return event.issuer_region[:2] or speaker


def _place_beyond(regions: tuple[str, ...], event: event_pb2.Event, message: Any) -> str:
    """Returns the field of a place beyond prefixes, "" if all are within; without a place, only a scope of a whole province is enough."""
    named = {"service_region": event.service_region, "accepted_at_region": getattr(message, "accepted_at_region", "")}
    said = {field: region for field, region in named.items() if region}
    if not said:
        return "" if any(prefix in PROVINCES for prefix in regions) else "service_region"
    return next((field for field, region in said.items() if not region.startswith(regions)), "")


def is_told_by_case(kind: FieldDescriptor) -> bool:
    """Whether a kind is a participant's to report by its case alone: neither by whose card it is about, nor by a field of its own."""
    own = set() if kind.message_type is None else {field.name for field in kind.message_type.fields}
    return "ISSUER" not in role_table().kinds.get(kind.name, NOBODY).roles and own.isdisjoint(_SCOPE_FIELDS)


@lru_cache(maxsize=4096)
def rights_of(province: str, grants: tuple[Grant, ...]) -> Rights:
    """Returns the rights of a province's participant; equal ones are one object. *grants* are in the order of their roles' names."""
    return Rights(province, grants)


NO_RIGHTS = rights_of("", ())
# Operators' tools look into every card and try every question; they report nothing and subscribe to nothing.
OPERATORS = rights_of("", (Grant("FUND_PAYER"), Grant("ISSUER"), Grant("SERVICE_POINT", Scope(("*",), PROVINCES))))
