"""The log book: which sets of keys sign the heads of the log, and from where to where each counts, by the positions of its events."""

from collections.abc import Sequence
from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import log_keys_pb2 as protos

from hub.domain.aggregate import HubAggregate
from hub.domain.errors import HubError

BOOK = uuid5(NAMESPACE_URL, "urn:chuanyu:log-book")


class LogKeysAlone(HubError):
    """No other keys sign the log; take up others first, by `hub seal --take-up-keys`."""


class LogBook(HubAggregate):
    """One for the whole hub; *taken_up* in the order of its events, of which the first is the set that signed from the beginning on."""

    def __init__(self, first: protos.LogKeysTakenUp) -> None:
        """Starts from the first set."""
        self.taken_up: list[protos.LogKeysTakenUp] = []
        self.retired: set[int] = set()
        self.apply("log_keys_taken_up", first)

    @staticmethod
    def create_id() -> UUID:
        """There is one log book."""
        return BOOK

    @classmethod
    def open(cls, number: int, keys: Sequence[protos.LogKey], at: datetime) -> "LogBook":
        """Begins the book with the set that has signed so far."""
        return cls.begin("log_keys_taken_up", protos.LogKeysTakenUp(number=number, keys=keys), cls.create_id(), at)

    @property
    def in_force(self) -> list[int]:
        """The numbers of the sets that sign."""
        return [one.number for one in self.taken_up if one.number not in self.retired]

    def take_up(self, number: int, keys: Sequence[protos.LogKey], at: datetime) -> None:
        """Takes up a set; one that was taken up before changes nothing."""
        if all(one.number != number for one in self.taken_up):
            self.record("log_keys_taken_up", protos.LogKeysTakenUp(number=number, keys=keys), at)

    def retire_former(self, reason_code: str, at: datetime) -> list[int]:
        """Ends all sets but the newest and returns their numbers; raises LogKeysAlone where there is no other."""
        former = self.in_force[:-1]
        if not former:
            raise LogKeysAlone
        for number in former:
            self.record("log_keys_retired", protos.LogKeysRetired(number=number, reason_code=reason_code), at)
        return former

    def apply(self, kind: str, message: object) -> None:
        """Folds one event."""
        if isinstance(message, protos.LogKeysTakenUp):
            self.taken_up.append(message)
        elif isinstance(message, protos.LogKeysRetired):
            self.retired.add(message.number)
