"""The demo's ledgers: a filing, a settlement with its refund, documents of a card, a reader and coupons, each as its command shows it."""

from rich.console import Console

from hub.demo.screen import show_command
from hub.journal.sessions import session
from hub.stage import Stage

# What a command is asked about, of which a report is in force, and the words above its answer. Who looks at a person's record says why.
_SHOWN = (
    (
        "一个人的备案 the filings of a person",
        "SELECT encode(card, 'hex') FROM views.medical_filing WHERE card <> '' AND right(spans, 1) = '-' ORDER BY position LIMIT 1",
        ("filings",),
        ("--purpose", "DEMO", "--operator", "demo"),
    ),
    (
        "结算与退费 a settlement and its refund",
        """SELECT r.name FROM views.medical_settlement r JOIN views.medical_settlement s ON s.name = r.also
           WHERE right(r.spans, 1) = '-' AND right(s.spans, 1) = '-' ORDER BY r.position LIMIT 1""",
        ("settlements", "show"),
        (),
    ),
    (
        "一个人卡上的证照 the documents that a person's card carries",
        """SELECT encode(c.key, 'hex') FROM views.holder_record r JOIN views.card_standing c USING (key)
           WHERE r.facts LIKE '%document_folded_in%' ORDER BY c.key LIMIT 1""",
        ("documents",),
        ("--purpose", "DEMO", "--operator", "demo"),
    ),
    (
        "一个读者，两省合计 a reader of both networks",
        """SELECT encode(card, 'hex') FROM views.library_loan
           WHERE kind = 'library_item_borrowed' AND card <> '' AND right(spans, 1) = '-' ORDER BY position DESC LIMIT 1""",
        ("reader",),
        ("--purpose", "DEMO", "--operator", "demo"),
    ),
    (
        "一个人的消费券 the coupons of a person",
        """SELECT encode(card, 'hex') FROM views.coupon WHERE card <> '' AND right(spans, 1) = '-'
           ORDER BY kind = 'coupon_redeemed' DESC, position DESC LIMIT 1""",
        ("coupons", "list"),
        ("--purpose", "DEMO", "--operator", "demo"),
    ),
)


def show_ledgers(stage: Stage, screen: Console, dsn: str) -> None:
    """Shows what there is of each; a short demo may have none. Raises ChildDied."""
    for title, statement, command, options in _SHOWN:
        with session(dsn, "hub_reader", "hub-demo") as connection:
            row = connection.execute(statement.encode()).fetchone()
        if row is None:
            continue
        show_command(stage, screen, title, *command, str(row[0]), *options)
