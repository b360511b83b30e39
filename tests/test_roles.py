"""Roles: the one table, what each role lets its participant tell, and how far it reaches."""

from itertools import product

import pytest
from chuanyu.exchange.v1 import event_pb2

from hub.commands.roles import MEANINGS
from hub.commands.roles_page import PAGE, page
from hub.domain.disclosure import Origin, Reader, concerns
from hub.domain.event_rules import HUB_KINDS, KIND_NUMBERS
from hub.domain.quarantine import HANDLING_KINDS
from hub.domain.role_table import ROLES, role_table
from hub.domain.roles import every_role, rights_of

EVERY = rights_of("50", every_role())
NONE = rights_of("50", ())


def test_the_page_is_what_the_table_says() -> None:
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_kind_has_a_row_and_what_the_hub_alone_records_has_no_role() -> None:
    kinds = role_table().kinds
    assert kinds.keys() == KIND_NUMBERS.keys()
    assert {kind for kind, needed in kinds.items() if not needed.roles} == HUB_KINDS


def test_every_role_has_its_words() -> None:
    assert tuple(MEANINGS) == ROLES


def test_equal_roles_of_a_province_are_one_object() -> None:
    assert rights_of("50", every_role()) is EVERY


@pytest.mark.parametrize("kind", sorted(KIND_NUMBERS))
def test_with_every_role_a_reader_is_told_what_concerns_its_province_and_without_one_nothing(kind: str) -> None:
    urns = ("urn:chuanyu:participant:cq.own", "urn:chuanyu:participant:cq.other")
    for owner, told_by, issuer, region in product(urns, ("50", "51", ""), ("50", "51", ""), ("500103", "510100", "")):
        event = event_pb2.Event(service_region=region)
        event.card.issuing_province = issuer
        getattr(event, kind).SetInParent()
        origin = Origin("cq.feed", owner, told_by)
        if kind == "event_quarantined" or kind in HANDLING_KINDS:
            expected = owner == urns[0]
        elif kind.startswith(("agreement_", "rules_", "hotlist_published")):
            expected = True
        else:
            expected = "50" in (issuer, told_by, region[:2]) and role_table().kinds[kind].read_as != ""
        assert concerns(event, kind, origin, Reader(urns[0], EVERY)) == expected
        assert not concerns(event, kind, origin, Reader(urns[0], NONE))
