"""A40 against the catalogue: what the sides approved counts from its day on, whatever is claimed; what it does not say is claimed."""

from datetime import UTC, datetime
from typing import Any

import pytest
from chuanyu.exchange.v1 import acceptance_pb2 as acceptance
from chuanyu.exchange.v1 import service_items_pb2 as items

from hub.domain import reference
from hub.domain.acceptance import explain
from hub.domain.agreement import Agreements
from hub.domain.instants import microseconds_of
from hub.domain.records.items import ItemChanges, changes_of
from hub.domain.records.known import Records, packed, unpacked
from hub.domain.rule_input import Question

AT_US = microseconds_of(datetime(2026, 3, 2, 2, tzinfo=UTC))
PIN, FACE = acceptance.AUTH_LEVEL_PIN, acceptance.AUTH_LEVEL_FACE
ONLINE, WINDOW = items.SERVICE_ITEM_CHANNEL_ONLINE, items.SERVICE_ITEM_CHANNEL_WINDOW


def approved(*sides: str, item: str = "TB057", valid_from: str = "2026-01-01", **says: Any) -> ItemChanges:
    """What some sides approved of an item, at positions from 11 on."""
    version = items.ServiceItemVersion(**{"state": items.SERVICE_ITEM_STATE_LIVE, "valid_from": valid_from, **says})
    return changes_of((at, items.ServiceItemDrafted(item_id=item, province=side, version=version)) for at, side in enumerate(sides, 11))


def weighed(changes: ItemChanges, item: str = "TB057", issuer: str = "50", channel: str = "", **claims: Any) -> tuple[str, str, bool, int]:
    """What A40 concludes in Chengdu: the reason, on what it rests, whether that contradicts the claim, where the record is."""
    refs = acceptance.SubjectRefs(item_id=item, channel=channel)
    question = Question(issuer, "GOV.CASE", "510100", 1, AT_US, claims=acceptance.AcceptanceClaims(**claims), refs=refs)
    # As another version of the rules would be asked.
    records = unpacked(packed(Records(items=changes.about(item))))
    [verdict] = [one for one in explain([], Agreements(()), reference.load(), question, records) if one.rule.rule_id == "A40"]
    assert verdict.basis is not None
    return verdict.reason_code, verdict.basis.basis, verdict.basis.contradicts, verdict.basis.record_position


SUSPENDED = items.SERVICE_ITEM_STATE_SUSPENDED


@pytest.mark.parametrize(
    ("changes", "says", "expected"),
    [
        (approved("50", state=SUSPENDED), {"item_shared": True}, ("ITEM_NOT_SHARED", "RECORD", True, 11)),
        # It begins tomorrow, or is another side's to a card that is at home.
        (approved("50", state=SUSPENDED, valid_from="2026-03-03"), {}, ("", "RECORD", False, 0)),
        (approved("50", state=SUSPENDED), {"issuer": "51"}, ("", "RECORD", False, 0)),
        (approved("51", state=SUSPENDED), {"issuer": "51"}, ("ITEM_NOT_SHARED", "RECORD", False, 11)),
        # Handled in Mianyang alone.
        (approved("51", regions=["5107"]), {}, ("ITEM_OTHER_PLACE", "RECORD", False, 11)),
        (approved("51", regions=["5101"]), {}, ("", "RECORD", False, 11)),
        (approved("50", regions=["500103"]), {}, ("", "RECORD", False, 11)),
        # Taken at windows alone; a channel that is not named is claimed.
        (approved("51", channels=[WINDOW]), {"channel": "ONLINE", "channel_allowed": True}, ("OTHER_CHANNEL", "RECORD", True, 11)),
        (approved("51", channels=[ONLINE]), {"channel": "ONLINE", "channel_allowed": False}, ("", "RECORD", True, 11)),
        (approved("51", channels=[ONLINE]), {"channel_allowed": False}, ("OTHER_CHANNEL", "CLAIM", False, 0)),
        # The stricter side says how surely the person has to be known, whatever level is claimed of the item.
        (approved("51", auth_level=FACE), {"auth_level": PIN, "item_auth_level": PIN}, ("AUTH_LEVEL", "RECORD", True, 11)),
        (approved("50", "51", auth_level=PIN), {"auth_level": PIN, "item_auth_level": FACE}, ("", "RECORD", True, 12)),
        (approved("51", auth_level=PIN), {"auth_level": PIN, "item_auth_level": FACE}, ("AUTH_LEVEL", "CLAIM", False, 0)),
    ],
)
def test_what_the_sides_approved_counts(changes: ItemChanges, says: dict[str, Any], expected: tuple[str, str, bool, int]) -> None:
    assert weighed(changes, **says) == expected


def test_an_item_that_the_table_lacks_is_found_by_each_of_its_codes() -> None:
    changes = approved("50", "51", item="SJ001", implementing_code="SJ-0001")
    assert weighed(changes, "SJ001") == weighed(changes, "SJ-0001") == ("", "RECORD", False, 12)
    assert changes.about("SJ-0002") == changes.about("") == ()
