"""Reads questions about ledgers in scenario files."""

from typing import Any

from hub.domain.reference import Reference
from hub.scenarios.refusing import Checks
from hub.scenarios.scenario import Card


class LedgerReader(Checks):
    """Reads what a question about a ledger says, by the cards of its file."""

    def __init__(self, file: str, reference: Reference) -> None:
        """*file* is named by every refusal."""
        super().__init__(file)
        self._reference = reference
        self._cards: dict[str, Card] = {}

    def _ledger(self, where: str, content: dict[str, Any]) -> dict[str, Any]:
        """Reads a question about a ledger; who asks is the card's issuer, or Sichuan, unless it says so."""
        said: dict[str, Any] = {}
        if "on" in content:
            said["day"] = self._day(where, content["on"])
        if "at" in content:
            said["at_us"] = self._instant(where, "at", content["at"])
        if "region" in content:
            said["region"] = self._one_of(where, "region", content["region"], self._reference.region_days, "region")
        if "card" in content:
            said["card"] = self._one_of(where, "card", content["card"], self._cards, "card of this file")
        issuer = self._cards[said["card"]].issuer if "card" in said else "51"
        said["asker"] = self._one_of(where, "asker", content.get("asker", issuer), ("50", "51"))
        own = content.keys() - {"ask", "then", "on", "at", "region", "card", "asker", "known_at"}
        said["says"] = {
            name: self._day(where, content[name]) if name in ("from", "to", "until") else self._text(where, name, content[name])
            for name in own
        }
        return said
