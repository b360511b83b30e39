"""Serials of banks: which rows have one that another row has too, where it is known whose it is and where not."""

import pytest

from hub.projections.views.fund_serials import Named, Serial, decode, encode


@pytest.mark.parametrize(
    ("named", "shared"),
    [
        # One row that payer and bank report, and that came back later under the same serial.
        ([(1, "B1", 1, ""), (2, "B1", 1, "103"), (5, "B1", 1, "")], []),
        ([(1, "B1", 1, "103"), (4, "B1", 2, "103")], [("B1", 1, 1, 4), ("B1", 2, 4, 1)]),
        ([(1, "B1", 1, "103"), (4, "B2", 1, "")], [("B1", 1, 1, 4), ("B2", 1, 4, 1)]),
        # Two banks, each with its own numbers; a payer that does not say which bank it was is compared with both.
        ([(1, "B1", 1, "103"), (4, "B2", 1, "105")], []),
        ([(1, "B1", 1, "103"), (4, "B2", 1, "105"), (6, "B3", 1, "")], [("B1", 1, 1, 6), ("B2", 1, 4, 6), ("B3", 1, 6, 1)]),
    ],
)
def test_a_serial_of_two_rows_is_shared(named: list[tuple[int, str, int, str]], shared: list[tuple[str, int, int, int]]) -> None:
    serial = Serial("51", tuple(Named(*one) for one in named))
    assert serial.shared == shared
    assert decode(encode(serial)) == serial
