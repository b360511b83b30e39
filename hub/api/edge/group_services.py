"""Keeps a participant from trying which services of groups somebody has: a few of them a card and day.

One service a visit says what the counter has to know. Many, asked one after the other, say what the card holder belongs to.
"""

import threading
import time

from hub.domain.errors import QuotaExceeded

# A counter has one or two such services, and a province's halls together hardly more for one person on one day.
GROUP_SERVICES = 5
DAY_S = 86_400.0
# So many cards are known at once; beyond them those that were not asked about for longest are forgotten.
CARDS = 20_000


class GroupServices:
    """What a participant asked at this edge about the services of groups; any thread may ask."""

    def __init__(self) -> None:
        """Knows of no question."""
        self._asked: dict[bytes, dict[str, float]] = {}
        self._alone = threading.Lock()

    def take(self, card: bytes, service: str) -> None:
        """Notes a question about a card, or raises QuotaExceeded; asked again, a service is no further one."""
        now_s = time.monotonic()
        with self._alone:
            asked = {one: at_s for one, at_s in self._asked.pop(card, {}).items() if at_s > now_s - DAY_S}
            self._asked[card] = asked
            if len(self._asked) > CARDS:
                del self._asked[next(iter(self._asked))]
            if service not in asked and len(asked) >= GROUP_SERVICES:
                raise QuotaExceeded("group_services_per_day", GROUP_SERVICES, min(asked.values()) + DAY_S - now_s)
            asked.setdefault(service, now_s)
