"""Evidence of an answer, as a holder's lawyer gets it: the bundle, the program that checks it, and the policy; nothing else is needed."""

import shutil
from pathlib import Path

import psycopg
from rich.console import Console

from hub.audit import verify
from hub.audit.bundle import With
from hub.audit.bundle_handing import Asked, hand_over
from hub.audit.bundle_question import of_decision
from hub.config import Config
from hub.demo.witness import NAME as WITNESS
from hub.domain.errors import HubError
from hub.domain.looks import Looker
from hub.domain.participant import OPERATOR
from hub.journal.reader import events_at
from hub.projections.views.card_alias import identifiers_of
from hub.trust.receipt_keys import read_receipt_keys

FOLDER = "evidence"
_PURPOSE = "DEMO"


def make_evidence(screen: Console, dsn: str, data_dir: Path, policy: Path) -> list[str]:
    """Makes a bundle of the newest answer about a card that has a record, beside the program and the policy; returns what failed.

    The screen shows how a stranger checks it.
    """
    folder = data_dir / FOLDER
    folder.mkdir(exist_ok=True)
    script, rules = folder / "verify.py", folder / "policy"
    shutil.copyfile(verify.__file__, script)
    shutil.copyfile(policy, rules)
    with psycopg.connect(dsn, autocommit=True) as connection:
        newest = [position for (position,) in connection.execute(_NEWEST).fetchall()]
        known = (one for one in events_at(connection, newest) if _is_known(connection, one.event.card.key))
        recorded = next(known, None)
        if recorded is None:
            return []
        position = recorded.position
        question = of_decision(connection, position)
    bundle = folder / f"decision-{position}.hubaudit"
    beside = With(rules.read_bytes(), read_receipt_keys(Config(data_dir=data_dir).keys_dir))
    try:
        hand_over(dsn, question, Asked(Looker(OPERATOR, "demo"), _PURPOSE, recorded.event.card), beside, bundle, with_rules=True)
    except HubError as refused:
        return [f"evidence: {refused}"]
    screen.print(
        f"位置 {position:,} 的答复的证据包，见证方 {WITNESS}；任何人可在自己的机器上核验，无需枢纽与网络：\n"
        f"evidence of the answer at position {position:,}, cosigned by {WITNESS}; anybody can check it, without hub or network:\n"
        f"  {verify.GET_CRYPTOGRAPHY}\n"
        f"  python3 {script} {bundle} --policy {rules}",
        soft_wrap=True,
        highlight=False,
    )
    return []


def _is_known(connection: psycopg.Connection, card: bytes) -> bool:
    """Whether somebody reported something of a card."""
    row = connection.execute("SELECT FROM views.card_standing WHERE key = ANY (%s)", (identifiers_of(connection, card),)).fetchone()
    return row is not None


_NEWEST = "SELECT position FROM journal.event WHERE kind = 'decision_made' ORDER BY position DESC LIMIT 100"
