"""What the tests of restores have together."""

import pytest

from hub.projections import DECIDED_BY


@pytest.fixture
def few_views(monkeypatch: pytest.MonkeyPatch) -> None:
    """Has a restore fold, and examine, those views alone that answers rest on: that it does so with all of them is shown in test_backup."""
    for owner in ("hub.backup.restoring", "hub.audit.fsck"):
        monkeypatch.setattr(f"{owner}.PROJECTIONS", DECIDED_BY)
