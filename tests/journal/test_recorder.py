"""The library's own recorder test cases, run against our recorder on a real PostgreSQL."""

from collections.abc import Iterator

import pytest
from eventsourcing.persistence import ApplicationRecorder
from eventsourcing.tests import persistence as library_cases

from hub.journal.recorder import HubDatastore, HubRecorder


class _OnOurDatabase:
    datastore: HubDatastore

    @pytest.fixture(autouse=True)
    def _database(self, dsn: str) -> Iterator[None]:
        self.datastore = HubDatastore(dsn, pool_size=10, max_overflow=10)
        yield
        self.datastore.close()

    def create_recorder(self) -> ApplicationRecorder:
        return HubRecorder(self.datastore)


class TestApplicationRecorder(_OnOurDatabase, library_cases.ApplicationRecorderTestCase):
    """Contiguous positions, versions enforced, ten writers at once."""


class TestNonInterleavingNotificationIDs(_OnOurDatabase, library_cases.NonInterleavingNotificationIDsBaseCase):
    """Two writers at once never interleave their positions."""
