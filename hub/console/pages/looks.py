"""Who looked at whose record and why, the newest first; to look at this list is a look, too."""

from hub.console.page import Page, Shown
from hub.console.pages.cards import look_table
from hub.domain.looks import KIND
from hub.domain.looks import Shown as ShownRecord
from hub.journal.looks import Searched, search
from hub.journal.reader import head_position

MOST = 200
# So far back a page looks: what is older is found by `hub looks`.
HOURS = 24


def looks(page: Page) -> Shown:
    """Shows them."""
    looked_at = page.look("looks", None, ShownRecord.SHOWN_RECORD_LOOKS)
    with page.reading() as connection:
        head = head_position(connection)
        found = search(connection, Searched(KIND, from_us=page.now_us - HOURS * 3_600_000_000, most=MOST))
    seen = [one for one in found if one.event.card.issuing_province in ("", *page.account.provinces)]
    return Shown("looks", page.t("查看记录", "Looks"), {"looked_at": looked_at, "hours": HOURS}, (look_table(page, seen),), head)
