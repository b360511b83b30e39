"""docs/province.md: its commands are there, and its table of cards is one that can be loaded."""

import re
from datetime import UTC, datetime
from pathlib import Path

from adapters.load.card_table import open_table
from adapters.load.checking import Report, check_rows
from hub.cli import COMMANDS

PAGE = Path("docs/province.md").read_text(encoding="utf-8")


def test_every_command_of_the_page_is_one_of_the_hub() -> None:
    named = set(re.findall(r"(?:^|`)hub ([a-z-]+)", PAGE, re.MULTILINE))
    assert len(named) >= 5
    assert named <= {entry.name for entry in COMMANDS}


def test_the_table_of_cards_of_the_page_has_no_wrong_row(tmp_path: Path) -> None:
    block = re.search(r"```csv\n(.*?)```", PAGE, re.DOTALL)
    assert block is not None
    (tmp_path / "cards.csv").write_text(block[1], encoding="utf-8")
    checked = check_rows(open_table(tmp_path / "cards.csv", 1, datetime(2026, 1, 1, tzinfo=UTC)), Report(None), lambda _: None)
    assert (checked.wrong_rows, checked.cards) == (0, {("50", "ACTIVE"): 1, ("50", "CANCELLED"): 1})
