"""The receipt book: which keys sign the hub's receipts, from when to when, and from where on the digests of events can be opened."""

from datetime import datetime
from uuid import NAMESPACE_URL, UUID, uuid5

from chuanyu.exchange.v1 import receipts_pb2 as protos

from hub.domain.aggregate import HubAggregate
from hub.domain.errors import HubError

BOOK = uuid5(NAMESPACE_URL, "urn:chuanyu:receipt-book")


class ReceiptKeyUnknown(HubError):
    """There is no such key of receipts; see `hub receipts key`."""


class ReceiptKeySigns(HubError):
    """The newest key signs receipts; make another one first, by `hub receipts rotate`."""


class ReceiptBookAltered(HubError):
    """The book of the keys of receipts was altered, so no receipt can be made; an operator runs `hub fsck --tlog`. Position:"""


class DigestsOpenAlready(HubError):
    """The digests can be opened already."""


class ReceiptBook(HubAggregate):
    """One for the whole hub; *keys* in the order in which they were taken up, *is_open* once digests are under keys of their blocks."""

    def __init__(self, first: protos.ReceiptKeyTakenUp) -> None:
        """Starts from the first key."""
        self.taken_up: list[protos.ReceiptKeyTakenUp] = []
        self.retired: set[str] = set()
        self.is_open = False
        self.apply("receipt_key_taken_up", first)

    @staticmethod
    def create_id() -> UUID:
        """There is one receipt book."""
        return BOOK

    @classmethod
    def open(cls, key_id: str, algorithm: int, public_key: bytes, at: datetime) -> "ReceiptBook":
        """Begins the book with the first key."""
        return cls.begin("receipt_key_taken_up", _taken_up(key_id, algorithm, public_key), cls.create_id(), at)

    def take_up(self, key_id: str, algorithm: int, public_key: bytes, at: datetime) -> None:
        """Takes up a key; one that was taken up before changes nothing."""
        if all(key.key_id != key_id for key in self.taken_up):
            self.record("receipt_key_taken_up", _taken_up(key_id, algorithm, public_key), at)

    def retire(self, key_id: str, reason_code: str, at: datetime) -> None:
        """Ends a key; one that has ended changes nothing. Raises ReceiptKeyUnknown, or ReceiptKeySigns for the newest."""
        if all(key.key_id != key_id for key in self.taken_up):
            raise ReceiptKeyUnknown
        if self.taken_up[-1].key_id == key_id:
            raise ReceiptKeySigns
        if key_id not in self.retired:
            self.record("receipt_key_retired", protos.ReceiptKeyRetired(key_id=key_id, reason_code=reason_code), at)

    def open_digests(self, operator: str, at: datetime) -> None:
        """Puts digests under keys of their blocks from here on; raises DigestsOpenAlready."""
        if self.is_open:
            raise DigestsOpenAlready
        self.record("digests_opened", protos.DigestsOpened(operator=operator), at)

    def apply(self, kind: str, message: object) -> None:
        """Folds one event."""
        if isinstance(message, protos.ReceiptKeyTakenUp):
            self.taken_up.append(message)
        elif isinstance(message, protos.ReceiptKeyRetired):
            self.retired.add(message.key_id)
        elif isinstance(message, protos.DigestsOpened):
            self.is_open = True


def _taken_up(key_id: str, algorithm: int, public_key: bytes) -> protos.ReceiptKeyTakenUp:
    return protos.ReceiptKeyTakenUp(key_id=key_id, algorithm=algorithm, public_key=public_key)  # type: ignore[arg-type]
