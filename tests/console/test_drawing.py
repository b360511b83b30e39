"""The colours and pictures of the console, as they are written: contrast of text on tiles, fixed steps, one tile a place."""

import re
from itertools import product

import pytest

from hub.console.drawing import bar, columns, rails, sparkline, tiles
from hub.console.drawing.bars import Stack
from hub.console.drawing.lives import Span, lives
from hub.console.drawing.rails import Point
from hub.console.drawing.tiles import places, step_of
from hub.console.language import Words, language_of
from hub.console.rendering import STATIC
from hub.console.tables import Cell, Column, csv_bytes, table

STYLE = (STATIC / "console.css").read_text(encoding="utf-8")
LEAST_CONTRAST = 4.5


def tokens(block: str) -> dict[str, str]:
    """The colours of one theme."""
    return dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))


LIGHT = tokens(STYLE[STYLE.index(":root {") : STYLE.index("@media (prefers-color-scheme")])
DARK = tokens(STYLE[STYLE.index(':root[data-theme="dark"] {') : STYLE.index("* { box-sizing")])


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [LIGHT, DARK], ids=["light", "dark"])
def test_text_is_readable_on_every_colour_that_it_lies_on(theme: dict[str, str]) -> None:
    inks = {1: "ink", 2: "ink", 3: "ink", 4: "on-4"}
    pairs = [(theme[inks[step]], theme[f"{side}{step}"]) for side, step in product(("sc", "cq"), inks)]
    pairs += [(theme["on-sc5"], theme["sc5"]), (theme["on-cq5"], theme["cq5"]), (theme["ink"], theme["none"]), (theme["ink"], theme["o1"])]
    pairs += [(theme["surface"], theme["o5"]), (theme["on-button"], theme["button"])]
    pairs += [
        (theme[ink], theme[ground]) for ink in ("ink", "second", "link", "sc", "cq", "attention", "fault") for ground in ("page", "surface")
    ]
    assert [(one, other) for one, other in pairs if contrast(one, other) < LEAST_CONTRAST] == []


def test_the_dark_theme_is_the_same_by_choice_and_by_the_system() -> None:
    by_system = tokens(STYLE[STYLE.index("@media (prefers-color-scheme") : STYLE.index(':root[data-theme="dark"] {')])
    assert by_system == DARK and by_system.keys() == LIGHT.keys()


def test_each_place_has_one_tile_and_steps_are_fixed() -> None:
    assert len(places()) == 58 and len({(tile.column, tile.row) for tile in places()}) == 58
    assert [step_of(uses) for uses in (0, 1, 19, 20, 100, 499, 500, 2_499, 2_500)] == [0, 1, 1, 2, 3, 3, 4, 4, 5]
    drawn = tiles({"510100": 16_468, "500101": 151}, {}, "label")
    # Chengdu has the colour of Chongqing's cards.
    assert 'class="tile-cq-5"' in drawn and 'class="tile-sc-3"' in drawn and "16,468" in drawn


def test_a_count_that_is_not_shown_has_neither_a_shade_nor_a_bar() -> None:
    drawn = tiles({"510100": None}, {}, "label")
    assert "<title>成都 ※</title>" in drawn and 'class="tile-cq' not in drawn
    assert 'width="0"' in bar(None, 100, "cq")


def test_pictures_escape_what_they_are_given() -> None:
    bad = '<script>"&'
    point = Point(bad, 1, 2, bad, bad)
    drawn = [tiles({}, {"510100": bad}, bad), columns([Stack(bad, [("cq", 1)])], bad), rails([point], point, (bad, bad), bad)]
    drawn.append(lives([(bad, [Span("ACTIVE", bad, 0, 1), Span("CANCELLED", bad, 1, 9)])], str, bad))
    assert all("<script" not in one and "&lt;script" in one for one in drawn)
    assert "style=" not in "".join(drawn) + bar(1, 4, "cq") + sparkline([1, 2, 3])


def test_a_bar_is_as_long_as_its_square_root_and_never_invisible() -> None:
    def width(value: int) -> int:
        found = re.search(r'<rect x="\d+" y="3" width="(\d+)"', bar(value, 10_000, "cq", 100))
        assert found is not None
        return int(found[1])

    assert [width(value) for value in (0, 1, 2_500, 10_000)] == [0, 2, 50, 100]


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@x", "\tx", "\rx"])
def test_a_file_has_no_formula(text: str) -> None:
    written = csv_bytes(table("t", [Column("name", "名", "name"), Column("n", "数", "n", "number")], [(text, Cell("1,234"))]), 7).decode(
        "utf-8-sig"
    )
    assert f"'{text}" in written and ",1234\r\n" in written and written.endswith("# END rows=1 as_of=7\r\n")


def test_a_language_is_the_chosen_one_else_what_the_browser_takes_else_chinese() -> None:
    assert [language_of("en", "zh"), language_of("fr", "de, en-GB;q=0.8, zh"), language_of("", "fr"), language_of("", "")] == [
        "en",
        "en",
        "zh",
        "zh",
    ]
    assert [Words("en").silence(seconds) for seconds in (None, 59, 130, 7_300, 200_000)] == ["—", "59 s", "2 min", "2 h", "2 d"]
