"""How long each certificate that matters still runs, by what is on file and what the participants' events say."""

import contextlib
from datetime import UTC, datetime
from pathlib import Path

from hub.admin.participants import all_participants
from hub.journal.recorder import AggregateStore
from hub.trust.certificates import days_left


def certificate_days(dsn: str, directory: Path) -> dict[str, float]:
    """Returns the days left by name: "ca", "server", and each participant's newest certificate."""
    with contextlib.closing(AggregateStore(dsn)) as store:
        return days_left(directory, all_participants(store), datetime.now(UTC))
