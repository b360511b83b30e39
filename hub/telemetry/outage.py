"""One line in the log when something goes away, one when it is back, however often it is tried in between."""

import logging
import time


class Outage:
    """What one user of the database knows of its absence; used from one thread at a time."""

    def __init__(self, log: logging.Logger, who: str) -> None:
        """*who* begins its lines, such as "cards"."""
        self._log, self._who, self._began_s = log, who, 0.0
        self._tries = 0

    def failed(self, error: BaseException | str) -> None:
        """Notes a failed try; only the first is logged."""
        self._tries += 1
        if self._tries == 1:
            self._began_s = time.monotonic()
            name = error if isinstance(error, str) else type(error).__name__
            self._log.warning("%s: the database cannot be used; trying again", self._who, extra={"error": name})

    def over(self) -> None:
        """Notes that a try has succeeded; logged if one had failed."""
        if self._tries:
            lasted_s = round(time.monotonic() - self._began_s, 1)
            self._log.info("%s: the database can be used again", self._who, extra={"lasted_s": lasted_s, "tries": self._tries})
            self._tries = 0

    def wait_s(self, least_s: float, most_s: float) -> float:
        """Returns how long to wait before the next try: twice as long each time."""
        return float(min(most_s, least_s * 2 ** min(self._tries - 1, 16)))
