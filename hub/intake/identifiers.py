"""Identifiers become keys; an identifier that the vault already has costs no further write."""

from typing import TypeVar

from chuanyu.exchange.v1 import event_pb2, references_pb2
from google.protobuf.message import Message

from hub.domain.errors import RequestInvalid
from hub.domain.event_rules import Violation, local_date
from hub.domain.pseudonym import born_on, card_name, hmac_sm3_under, places, references_of
from hub.intake.batches import Prepared
from hub.journal.vault import seal
from hub.trust.keyring import Keyring

Named = TypeVar("Named", bound=Message)

KNOWN_IDENTIFIERS = 400_000


class Identifiers:
    """The keys of identifiers, and which of them the vault already has (a bounded set)."""

    def __init__(self, keyring: Keyring) -> None:
        """*keyring* gives pseudonyms and seals."""
        self._keyring = keyring
        self._pseudonym = hmac_sm3_under(keyring.pseudonym)
        self.known: dict[str, bytes] = {}

    def remember(self, identifiers: dict[str, bytes]) -> None:
        """Notes identifiers whose batch has been committed: they cost no vault write any more."""
        if len(self.known) + len(identifiers) > KNOWN_IDENTIFIERS:
            for name in list(self.known)[: KNOWN_IDENTIFIERS // 4]:
                del self.known[name]
        self.known.update(identifiers)

    def key_of(self, name: str) -> bytes:
        """Returns the key of an identifier's name."""
        return self.known.get(name) or self._pseudonym(name.encode())

    def replace(self, event: event_pb2.Event, kind: str, message: Message, prepared: Prepared, broken: list[Violation]) -> list[Violation]:
        """Replaces clear arms by keys; returns *broken* and what is wrong with identifiers. Known ones were checked when they were new."""
        known, fresh, reasons = self.known, prepared.new_identifiers, broken
        unknown: list[tuple[str, bytes]] = []
        found = [("", place, ref) for place, ref in references_of(event)]
        if places(message.DESCRIPTOR):
            found += [(f"{kind}.", place, ref) for place, ref in references_of(message)]
        day = "" if any(path == "occurred_at" for path, _ in broken) else local_date(event.occurred_at.seconds).replace("-", "")
        for prefix, place, ref in found:
            path = f"{prefix}{'.'.join(place.path)}"
            if reasons and any(broken_path.startswith(f"{path}.") for broken_path, _ in reasons):
                # What has not the shape of a reference names nothing.
                continue
            if not ref.clear:
                # A key is the hub's own name; from outside it would pass by every check of the identifier.
                reasons.append((f"{path}.key", "clear_only"))
                continue
            name = place.name(ref)
            key = known.get(name) or fresh.get(name)
            if key is None:
                if (problem := place.problem(ref)) is not None:
                    reasons.append((f"{path}.clear", problem.lower()))
                    continue
                key = self._pseudonym(name.encode())
                unknown.append((name, key))
            if day and isinstance(ref, references_pb2.PersonRef) and born_on(ref) > day:
                reasons.append((f"{path}.clear", "born_later"))
                continue
            ref.key = key
        if not reasons:
            for name, key in unknown:
                if name not in fresh:
                    fresh[name] = key
                    prepared.batch.vault_rows.append((key, *seal(self._keyring, key, name.encode())))
        return reasons

    def keyed(self, message: Named, path: str) -> Named:
        """Returns a message with keys in the place of its identifiers, none of which goes to the vault; raises RequestInvalid."""
        known: Named = type(message)()
        known.CopyFrom(message)
        wrong = []
        for place, ref in references_of(known):
            at = f"{path}.{'.'.join(place.path)}"
            if not ref.clear:
                wrong.append((f"{at}.key", "clear_only"))
            elif (problem := place.problem(ref)) is not None:
                wrong.append((f"{at}.clear", problem.lower()))
            else:
                ref.key = self.key_of(place.name(ref))
        if wrong:
            raise RequestInvalid(wrong)
        return known

    def name_card(self, prepared: Prepared, blocked: references_pb2.CardRef, card: references_pb2.CardRef) -> None:
        """Names a card by its key; its identifier goes to the vault as that of any other event does."""
        name = card_name(card)
        key = self.known.get(name) or prepared.new_identifiers.get(name)
        if key is None:
            key = prepared.new_identifiers[name] = self._pseudonym(name.encode())
            prepared.batch.vault_rows.append((key, *seal(self._keyring, key, name.encode())))
        blocked.issuing_province, blocked.kind, blocked.key = card.issuing_province, card.kind, key
