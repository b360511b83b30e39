"""Keeps the catalogue of a process: the book of changes is read at most once a second; where it has moved, the catalogue is made again."""

import asyncio
import time

from hub.admin.catalogues import KeptCatalogue
from hub.api.edge.turns import Reads
from hub.domain.joint_services.catalogue import Catalogue
from hub.domain.reference import Reference

LOOK_AGAIN_S = 1.0


class Catalogues:
    """Used from one event loop."""

    def __init__(self, reads: Reads, reference: Reference) -> None:
        """*reads* is what the book is read with."""
        self._reads, self._kept = reads, KeptCatalogue(reference)
        self._looking = asyncio.Lock()
        self._looked_at = -LOOK_AGAIN_S
        self._catalogue: Catalogue | None = None

    async def current(self, whose: str) -> Catalogue:
        """Returns the catalogue as it was recorded within the last second; raises JournalUnavailable."""
        async with self._looking:
            if self._catalogue is None or time.monotonic() - self._looked_at >= LOOK_AGAIN_S:
                self._catalogue = await self._reads.read(whose, self._kept.read)
                self._looked_at = time.monotonic()
            return self._catalogue
