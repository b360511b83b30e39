"""Which reports are of which use where several uses have one key."""

from hub.domain.netting import net
from hub.domain.tellings import Telling
from hub.reconciliation.witnesses import reports_of
from tests.domain.test_journeys import told


def exit_at(terminal: str, position: int, fen: int) -> Telling:
    """A journey by its exit, all of one purse counter."""
    telling = told(position, "transit_exit_recorded", 7, 0, fen).telling
    assert telling is not None
    return telling._replace(one=terminal)


def test_two_uses_of_one_counter_have_each_its_own_reports() -> None:
    uses = [exit_at("P/1", 1, 300), exit_at("P/2", 2, 200), exit_at("P/2", 3, 200)]
    found = reports_of(uses, uses, net(uses).counted)
    assert found is not None
    assert [([one.position for one in reports], fen) for reports, fen in found] == [([2, 3], 200), ([1], 300)]


def test_two_uses_whose_money_is_not_what_was_counted_are_not_told_apart() -> None:
    uses = [exit_at("P/1", 1, 300), exit_at("P/2", 2, 200)]
    counted = [one._replace(fen=100) for one in net(uses).counted]
    assert reports_of(uses, uses, counted) is None
