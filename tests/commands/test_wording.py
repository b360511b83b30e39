"""How commands say things."""

from hub.commands.wording import in_two_lines, local, views_in_words


def test_views_that_differ_are_named_and_equal_ones_counted() -> None:
    assert views_in_words({"card_standing": True, "quarantine": True}) == "全部一致 all 2 equal"
    assert views_in_words({"card_standing": True, "quarantine": False, "usage": False}) == "不同 differ: quarantine, usage"
    assert views_in_words({}) == "未比对 not compared"


def test_instants_are_told_in_the_time_of_both_provinces() -> None:
    assert local(1_767_225_600_000_000) == "2026-01-01T08:00:00+08:00"
    assert in_two_lines(1_767_225_600_000_000) == "2026-01-01\n08:00:00"
