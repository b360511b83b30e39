"""A participant: a system of one province (or the hub itself) that may speak to the hub, the feeds it owns, and its certificates.

A certificate is known by the SHA-256 of its DER. Any may be withdrawn, known before or not, and a withdrawn one never comes back.
"""

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import hub_decisions_pb2 as decisions
from chuanyu.exchange.v1 import receipts_pb2 as receipts

from hub.domain.aggregate import HubAggregate
from hub.domain.errors import HubError
from hub.domain.quota import NO_QUOTA, Quota
from hub.domain.roles import OPERATORS, Grant, Scope, rights_of, role_name, role_number, scope_of

PREFIX = "urn:chuanyu:participant:"
HUB = f"{PREFIX}hub"
# Whose certificate `hub status` and container health checks show: it is no participant, and may ask for health, reflection and channelz.
PROBE = f"{PREFIX}hub.status"
# Whose certificate operators' tools ask questions with: it speaks for no province, owns no feed, and names the operator with each call.
OPERATOR = f"{PREFIX}hub.operator"
# How a call of theirs names him: metadata of the call.
OPERATOR_METADATA = "hub-operator"
_OPERATOR_NAME = re.compile(r"[A-Za-z0-9._@-]{1,64}")
_NAME = re.compile(rf"{PREFIX}[a-z0-9][a-z0-9.-]{{0,62}}")
DECISIONS_FEED = "hub.decisions"


def is_participant_name(name: str) -> bool:
    """Whether a name is a participant's URI name."""
    return _NAME.fullmatch(name) is not None


def is_operator_name(name: str) -> bool:
    """Whether a name is one that an operator may have in the record."""
    return _OPERATOR_NAME.fullmatch(name) is not None


def is_reserved(name: str) -> bool:
    """Whether a participant's URI name is one of the hub's own."""
    return name == HUB or name.startswith(f"{HUB}.")


class ParticipantSuspendedAlready(HubError):
    """The participant is suspended already."""


class ParticipantNotSuspended(HubError):
    """The participant is not suspended."""


class RoleNotGranted(HubError):
    """The participant does not have this role; see `hub participants roles`."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is known of a certificate: fingerprint and serial number in hexadecimal, and when it ends."""

    fingerprint: str
    serial: str
    not_after: datetime


class SigningKeyTaken(HubError):
    """The participant has this key already, or had it: a revoked one never comes back; make another."""


class SigningKeyUnknown(HubError):
    """The participant has no such key for signing batches; see `hub participants signing`."""


class FeedNotIts(HubError):
    """The participant has no such feed; see `hub participants list`."""


@dataclass(slots=True)
class Signing:
    """The keys that a participant signs batches with, by id, the revoked ones with why, and its feeds that take signed batches alone."""

    keys: dict[str, receipts.ParticipantSigningKeyRegistered] = field(default_factory=dict)
    revoked: dict[str, str] = field(default_factory=dict)
    only: set[str] = field(default_factory=set)


class Participant(HubAggregate):
    """Registered once; feeds, certificates and roles come, certificates and roles go, the right to speak is suspended and given back."""

    def __init__(self, registered: decisions.ParticipantRegistered) -> None:
        """Starts from the registration."""
        self.urn = registered.participant
        self.province = registered.province
        self.title = registered.title
        self.feeds = list(registered.feeds)
        self.is_suspended = False
        # By fingerprint: all that are known in the order in which they were issued, and the reasons of the withdrawn ones.
        self.certificates: dict[str, Certificate] = {}
        self.withdrawn: dict[str, str] = {}
        self.quota = NO_QUOTA
        self.signing = Signing()
        # Each role that it has, with how far it reaches.
        self.roles: dict[str, Scope]
        self._set_roles({})

    @staticmethod
    def create_id(urn: str) -> UUID:
        """The id follows from the name, so that one name is registered once."""
        return uuid5(NAMESPACE_URL, urn)

    @classmethod
    def operators(cls, at: datetime) -> "Participant":
        """Returns the identity of operators' tools, which needs no registration; it is recorded when something is done about it."""
        registered = decisions.ParticipantRegistered(participant=OPERATOR, title="operators' tools")
        return cls.begin("participant_registered", registered, cls.create_id(OPERATOR), at)

    @property
    def name(self) -> str:
        """The URI name without its prefix."""
        return self.urn.removeprefix(PREFIX)

    def standing_certificates(self) -> list[Certificate]:
        """Returns the known certificates that are not withdrawn, ended or not, in the order in which they were issued."""
        return [certificate for certificate in self.certificates.values() if certificate.fingerprint not in self.withdrawn]

    def add_feed(self, feed: str, at: datetime) -> None:
        """Gives the participant another feed; one it has already changes nothing."""
        if feed not in self.feeds:
            self.record("participant_feed_added", decisions.ParticipantFeedAdded(participant=self.urn, feed=feed), at)

    def add_certificate(self, certificate: Certificate, at: datetime) -> None:
        """Makes a certificate known; one that is known already changes nothing."""
        if certificate.fingerprint in self.certificates:
            return
        issued = decisions.ParticipantCertificateIssued(
            participant=self.urn, fingerprint=certificate.fingerprint, serial=certificate.serial
        )
        issued.not_after.FromDatetime(certificate.not_after)
        self.record("participant_certificate_issued", issued, at)

    def withdraw_certificate(self, fingerprint: str, reason_code: str, at: datetime) -> None:
        """Withdraws a certificate for good, known or not; one that is withdrawn already changes nothing."""
        if fingerprint not in self.withdrawn:
            withdrawn = decisions.ParticipantCertificateWithdrawn(participant=self.urn, fingerprint=fingerprint, reason_code=reason_code)
            self.record("participant_certificate_withdrawn", withdrawn, at)

    def suspend(self, reason_code: str, at: datetime) -> None:
        """Takes the right to speak away; raises ParticipantSuspendedAlready."""
        if self.is_suspended:
            raise ParticipantSuspendedAlready
        self.record("participant_suspended", decisions.ParticipantSuspended(participant=self.urn, reason_code=reason_code), at)

    def resume(self, at: datetime) -> None:
        """Gives the right to speak back; raises ParticipantNotSuspended."""
        if not self.is_suspended:
            raise ParticipantNotSuspended
        self.record("participant_resumed", decisions.ParticipantResumed(participant=self.urn), at)

    def set_quota(self, quota: Quota, at: datetime) -> None:
        """Sets what it may ask for, 0 for the default; the same again changes nothing."""
        if quota != self.quota:
            self.record("participant_quota_set", decisions.ParticipantQuotaSet(participant=self.urn, **quota._asdict()), at)

    def grant(self, grant: Grant, at: datetime) -> bool:
        """Gives a role, or the one that it has another scope; the same again changes nothing. Returns whether it changed anything."""
        if self.roles.get(grant.role) == grant.scope:
            return False
        granted = decisions.ParticipantRoleGranted(participant=self.urn, role=role_number(grant.role), scope=grant.message())
        self.record("participant_role_granted", granted, at)
        return True

    def revoke(self, role: str, reason_code: str, at: datetime) -> None:
        """Takes a role back; raises RoleNotGranted."""
        if role not in self.roles:
            raise RoleNotGranted
        revoked = decisions.ParticipantRoleRevoked(participant=self.urn, role=role_number(role), reason_code=reason_code)
        self.record("participant_role_revoked", revoked, at)

    def register_signing_key(self, key_id: str, algorithm: int, public_key: bytes, at: datetime) -> None:
        """Makes a key known that signs batches; raises SigningKeyTaken."""
        if key_id in self.signing.keys:
            raise SigningKeyTaken
        registered = receipts.ParticipantSigningKeyRegistered(participant=self.urn, key_id=key_id, public_key=public_key)
        registered.algorithm = algorithm  # type: ignore[assignment]
        self.record("participant_signing_key_registered", registered, at)

    def revoke_signing_key(self, key_id: str, reason_code: str, at: datetime) -> None:
        """Ends a key for good; one that is revoked already changes nothing. Raises SigningKeyUnknown."""
        if key_id not in self.signing.keys:
            raise SigningKeyUnknown
        if key_id not in self.signing.revoked:
            revoked = receipts.ParticipantSigningKeyRevoked(participant=self.urn, key_id=key_id, reason_code=reason_code)
            self.record("participant_signing_key_revoked", revoked, at)

    def require_signing(self, feed: str, at: datetime, *, is_required: bool) -> None:
        """Says whether a feed takes signed batches alone; the same again changes nothing. Raises FeedNotIts."""
        if feed not in self.feeds:
            raise FeedNotIts
        if (feed in self.signing.only) != is_required:
            required = receipts.ParticipantSigningRequired(participant=self.urn, feed=feed, is_required=is_required)
            self.record("participant_signing_required", required, at)

    def apply(self, kind: str, message: object) -> None:
        """Folds one event."""
        if isinstance(message, decisions.ParticipantRoleGranted):
            self._set_roles(self.roles | {role_name(message.role): scope_of(message.scope)})
        elif isinstance(message, decisions.ParticipantRoleRevoked):
            self._set_roles({role: scope for role, scope in self.roles.items() if role != role_name(message.role)})
        else:
            self._apply(kind, message)

    def _set_roles(self, roles: dict[str, Scope]) -> None:
        self.roles = roles
        own = rights_of(self.province, tuple(sorted(Grant(role, scope) for role, scope in roles.items())))
        self.rights = OPERATORS if self.urn == OPERATOR else own

    def _apply(self, kind: str, message: object) -> None:
        if isinstance(message, decisions.ParticipantFeedAdded):
            self.feeds.append(message.feed)
        elif isinstance(message, decisions.ParticipantCertificateIssued):
            certificate = Certificate(message.fingerprint, message.serial, message.not_after.ToDatetime(UTC))
            self.certificates[message.fingerprint] = certificate
        elif isinstance(message, decisions.ParticipantCertificateWithdrawn):
            self.withdrawn[message.fingerprint] = message.reason_code
        elif isinstance(message, decisions.ParticipantQuotaSet):
            limits = (message.calls_per_s, message.events_per_s, message.calls_at_once, message.streams_at_once, message.misses_per_min)
            self.quota = Quota(*limits)
        elif isinstance(message, receipts.ParticipantSigningKeyRegistered):
            self.signing.keys[message.key_id] = message
        elif isinstance(message, receipts.ParticipantSigningKeyRevoked):
            self.signing.revoked[message.key_id] = message.reason_code
        elif isinstance(message, receipts.ParticipantSigningRequired):
            (self.signing.only.add if message.is_required else self.signing.only.discard)(message.feed)
        elif kind == "participant_suspended":
            self.is_suspended = True
        elif kind == "participant_resumed":
            self.is_suspended = False
