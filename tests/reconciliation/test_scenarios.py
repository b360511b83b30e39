"""What the hub makes of totals that differ: the scenario files, and any history with its totals."""

import random
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from hub.domain.reconciliation.books import Figure, cell_of
from hub.domain.reconciliation.differences import CLASS_NAMES, MOST_EVIDENCE
from hub.journal.recorder import AggregateStore
from hub.reconciliation.comparing import COMPARED, between_the_sides, compare
from tests.reconciliation.acting import DAY, NAMES, Acting, at, check_explained, fold, read
from tests.recording import Recording, register_owners
from tests.seeds import of_each, seeds, these


@pytest.fixture
def acting(dsn: str, journal: Recording, views: psycopg.Connection) -> Iterator[Acting]:
    register_owners(dsn)
    with closing(AggregateStore(dsn)) as store:
        yield Acting(journal, views, store)


def has(steps: list[dict[str, Any]]) -> set[object]:
    """Each kind of step with what it says, and of each break its words: the cells and figures of it say nothing new."""
    said = {(name, field) for step in steps for name in list(step)[:1] for field in step}
    words = {word for step in steps for one in step.get("breaks", ()) for word in one.split() if word.replace("_", "").isalpha()}
    return {*said, *words, *(step["cause"] for step in steps if "cause" in step)}


OF_EACH = of_each({name: has(read(name)["steps"]) for name in NAMES})


@pytest.mark.parametrize("name", these(OF_EACH, NAMES))
def test_scenario(acting: Acting, name: str) -> None:
    acting.run(read(name)["steps"])


def test_a_file_says_what_it_shows_in_both_languages_and_whence() -> None:
    titles = [read(name)["title"] for name in NAMES]
    assert all(title["zh"] and title["en"] for title in titles)
    assert len({title["en"] for title in titles}) == len(NAMES)
    assert all(read(name)["source"] for name in NAMES)


@seeds(4)
def test_breaks_explain_the_whole_difference_whatever_comes_late_twice_corrected_or_reversed(acting: Acting, seed: int) -> None:
    dice, versions = random.Random(seed), {"50": 0, "51": 0}
    for number in range(40):
        step = dice.choice(["use", "use", "again", "correct", "reverse", "totals", "reconcile", "close"])
        side, names = dice.choice(["50", "51"]), list(acting.told)
        if step == "use" or not names:
            acting.use({"use": f"u{number}", "fen": 100 + number, "by": side, **dice.choice(PLACES)})
        elif step in ("again", "correct", "reverse"):
            acting.steps[step]({step: dice.choice(names), "fen": 200 + number, "by": side})
        elif step == "totals":
            versions[side] += 1
            cells = [[*cell.values(), dice.randrange(4), dice.randrange(900)] for cell in PLACES if dice.random() < 0.7]
            acting.totals({"totals": side, "version": versions[side], "cells": cells})
        else:
            both_reconciled(acting, dice if step == "close" else None)
    both_reconciled(acting, None)


def both_reconciled(acting: Acting, dice: random.Random | None) -> None:
    """Reconciles both sides, checks what breaks explain, and with *dice* accepts one of them."""
    fold(acting.views)
    found = [acting.desk.reconcile(side, DAY, LATER) for side in ("50", "51")]
    for one in found:
        check_explained(one)
        still_open = [each.code for each in one.book.breaks.values() if each.is_open] if one.book is not None else []
        if dice is not None and still_open:
            acting.close({"close": dice.choice(still_open), "by": one.side, "cause": "ACCEPTED"})
    if all(one.state == COMPARED for one in found):
        shared = [{each.cell: each for each in one.cells} for one in found]
        both = shared[0].keys() & shared[1].keys() & {cell_of(one) for one in found[0].book.newest.totals}  # type: ignore[union-attr]
        both &= {cell_of(one) for one in found[1].book.newest.totals}  # type: ignore[union-attr]
        by_breaks = sum(shared[1][cell].difference.fen - shared[0][cell].difference.fen for cell in both)
        assert between_the_sides(*found).fen == by_breaks


def test_a_comparison_records_nothing(acting: Acting) -> None:
    acting.run(read("short")["steps"][:2])
    before = acting.views.execute("SELECT position FROM journal.head").fetchone()
    assert compare(acting.views, "51", DAY).differences
    assert acting.views.execute("SELECT position FROM journal.head").fetchone() == before


def test_more_uses_sent_twice_than_evidence_names_are_duplicates_all_the_same(acting: Acting) -> None:
    for number in range(MOST_EVIDENCE + 1):
        acting.use({"use": f"u{number}", "fen": 100})
        acting.again({"again": f"u{number}"})
    acting.totals({"totals": "51", "cells": [["50", "510100", "TRA.QR", 130, 13_000]]})
    (found,) = compare(acting.views, "51", DAY).differences
    assert (CLASS_NAMES[found.break_class], found.reason, found.amount) == ("DUPLICATE", "COUNTED_TWICE", Figure(-65, -6_500))
    assert len(found.evidence) == MOST_EVIDENCE


LATER = at("2025-09-04 12:00")
PLACES = [
    {"issuer": "50", "region": "510100", "scenario": "TRA.QR"},
    {"issuer": "51", "region": "500103", "scenario": "TRA.QR"},
    {"issuer": "50", "region": "510300", "scenario": "TRA.MET"},
]
