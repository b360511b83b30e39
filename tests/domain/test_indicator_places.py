"""Where something counts, by the region that was said: one that never was is unknown, one that was split is shared by those after it."""

from datetime import date

import pytest

from hub.domain import reference
from hub.domain.indicators.places import as_of, located, said

BEFORE, AFTER = date(2025, 11, 5), date(2025, 12, 1)


@pytest.mark.parametrize(
    ("code", "said_on", "day", "now"),
    [
        ("509999", BEFORE, BEFORE, "UNKNOWN"),
        ("", BEFORE, AFTER, "UNKNOWN"),
        ("500109", BEFORE, BEFORE, "500109"),
        ("500109", BEFORE, AFTER, "500109|500157"),
        ("500109", AFTER, AFTER, "500109"),
    ],
)
def test_a_region_is_where_it_is_on_the_day_and_one_that_never_was_is_unknown(code: str, said_on: date, day: date, now: str) -> None:
    assert as_of(reference.load(), code, said_on, day) == now
    assert located(reference.load(), said(reference.load(), code, said_on), day) == {"region": code or "UNKNOWN", "region_as_of": now}
