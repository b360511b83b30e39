"""The kinds of tampering with the tables beside the journal: each done in a transaction, as a superuser who knows the schema would."""

import random
from collections.abc import Callable
from typing import Any, NamedTuple

import psycopg

from hub.bench.tampering.history import Hub
from hub.tlog.note import Note

Row = tuple[Any, ...]


class Attack:
    """One attack: a superuser's session in a transaction that is rolled back, and a seed from which all that it chooses follows.

    *policy* and *others* are what the check is given: whose signatures count, and checkpoints that somebody else kept. *receipts* are
    what a province has: where there are some, the province checks and not the hub.
    """

    def __init__(self, connection: psycopg.Connection, hub: Hub, seed: int) -> None:
        """*connection* is in a transaction."""
        self.connection, self.hub = connection, hub
        self.chance = random.Random(seed)  # noqa: S311 (a choice that can be had again, no secret)
        self.policy, self.others = hub.policy, list[Note]()
        self.receipts: list[str] = []

    def change(self, statement: str, *values: Any) -> int:
        """Changes something and returns how many rows; nothing changed would be no attack."""
        changed = self.connection.execute(statement.encode(), values).rowcount
        assert changed, statement
        return changed

    def rows(self, statement: str, *values: Any) -> list[Row]:
        """Returns the rows of a query, always in the same order."""
        return self.connection.execute(statement.encode(), values).fetchall()

    def one_of(self, statement: str, *values: Any) -> Row:
        """Returns one of the rows of a query."""
        return self.chance.choice(self.rows(statement, *values))

    def some_bytes(self, length: int) -> bytes:
        """Returns bytes that are nobody's."""
        return self.chance.randbytes(length)


class Kind(NamedTuple):
    """A kind of tampering: its number, the code that the check gives it, what is done, with which options of `hub fsck` it is found."""

    number: int
    code: str
    attack: Callable[[Attack], None]
    options: str = "--no-views"
    view: str = ""

    @property
    def name(self) -> str:
        """What is done, in the words of its function."""
        return self.attack.__name__.replace("_", " ")


def feed_renamed(attack: Attack) -> None:
    """Gives a feed another name."""
    name = attack.one_of("SELECT name FROM journal.stream WHERE is_feed ORDER BY 1")[0]
    attack.change("UPDATE journal.stream SET name = %s WHERE name = %s", f"zz.{attack.chance.randrange(1_000)}", name)


def feed_given_to_another(attack: Attack) -> None:
    """Makes another participant the owner of a feed."""
    name, owner = attack.one_of("SELECT name, owner FROM journal.stream WHERE is_feed ORDER BY 1")
    other = attack.one_of("SELECT DISTINCT owner FROM journal.stream WHERE is_feed AND owner <> %s ORDER BY 1", owner)[0]
    attack.change("UPDATE journal.stream SET owner = %s WHERE name = %s", other, name)


def aggregate_renamed(attack: Attack) -> None:
    """Has what was decided about one thing count as decided about another."""
    name = attack.one_of(_NAMED_AGGREGATES)[0]
    other = f"{attack.some_bytes(4).hex()}{name[8:]}"
    attack.change("UPDATE journal.stream SET name = %s, owner = %s WHERE name = %s", other, other, name)


def batch_led_elsewhere(attack: Attack) -> None:
    """Has a batch lead to other events, so that a number finds another event."""
    stream, first = attack.one_of("SELECT stream_id, first_sequence FROM journal.batch ORDER BY 1, 2")
    statement = "UPDATE journal.batch SET first_position = first_position + %s WHERE stream_id = %s AND first_sequence = %s"
    attack.change(statement, attack.chance.choice((-2, -1, 1, 2)), stream, first)


def batch_dropped(attack: Attack) -> None:
    """Drops a batch's row, so that its events are not found by their numbers."""
    stream, first = attack.one_of(
        """SELECT stream_id, first_sequence FROM journal.batch b WHERE EXISTS (
               SELECT FROM journal.batch n WHERE n.stream_id = b.stream_id AND n.first_sequence > b.first_sequence) ORDER BY 1, 2"""
    )
    attack.change("DELETE FROM journal.batch WHERE stream_id = %s AND first_sequence = %s", stream, first)


def batch_given_another_time(attack: Attack) -> None:
    """Gives a batch another time than its events have."""
    stream, first = attack.one_of("SELECT stream_id, first_sequence FROM journal.batch ORDER BY 1, 2")
    statement = "UPDATE journal.batch SET recorded_at = recorded_at - %s * interval '1 s' WHERE stream_id = %s AND first_sequence = %s"
    attack.change(statement, attack.chance.randrange(1, 10_000), stream, first)


def correction_removed(attack: Attack) -> None:
    """Removes the link by which an event is corrected or reversed: the earlier one is in force again."""
    stream, sequence, position = attack.one_of("SELECT stream_id, sequence, position FROM journal.correction ORDER BY 1, 2, 3")
    attack.change("DELETE FROM journal.correction WHERE (stream_id, sequence, position) = (%s, %s, %s)", stream, sequence, position)


def correction_added(attack: Attack) -> None:
    """Adds a link, so that an event is not in force any more."""
    stream, sequence, position = attack.one_of(
        """SELECT stream_id, sequence, position + 1 FROM journal.event e WHERE stream_id IN (SELECT stream_id FROM journal.correction)
           AND NOT EXISTS (SELECT FROM journal.correction c WHERE c.position = e.position + 1)
           AND position < (SELECT position FROM journal.head) ORDER BY 1, 2"""
    )
    attack.change("INSERT INTO journal.correction (stream_id, sequence, position) VALUES (%s, %s, %s)", stream, sequence, position)


def request_led_elsewhere(attack: Attack) -> None:
    """Has two requests lead to each other's answer: a repeat gets an answer that was never given to it."""
    (one, there), (other, here) = attack.chance.sample(attack.rows(_REQUESTS_OF_DECISIONS), 2)
    attack.change("UPDATE journal.request SET position = %s WHERE request_key = %s", here, one)
    attack.change("UPDATE journal.request SET position = %s WHERE request_key = %s", there, other)


def request_removed(attack: Attack) -> None:
    """Removes a request: its repeat gets a new answer."""
    attack.change("DELETE FROM journal.request WHERE request_key = %s", attack.one_of(_REQUESTS_OF_DECISIONS)[0])


def request_forged(attack: Attack) -> None:
    """Has a request that was never asked lead to an event that answers nothing."""
    position = attack.one_of("SELECT position FROM journal.event WHERE kind = 'transit_journey_completed' ORDER BY 1")[0]
    attack.change("INSERT INTO journal.request (request_key, position) VALUES (%s, %s)", attack.some_bytes(32), position)


def token_freed(attack: Attack) -> None:
    """Forgets that an answer used what an e-card showed: it can be used again."""
    attack.change("DELETE FROM journal.redeemed_token WHERE token_key = %s", attack.one_of(_TOKENS)[0])


def token_spoilt(attack: Attack) -> None:
    """Notes a token as used that nobody has used: its holder is refused."""
    position = attack.one_of("SELECT position FROM journal.event WHERE kind = 'decision_made' ORDER BY 1")[0]
    attack.change("INSERT INTO journal.redeemed_token (token_key, position) VALUES (%s, %s)", attack.some_bytes(32), position)


def rule_archive_replaced(attack: Attack) -> None:
    """Replaces the archive of a version of the rules under its digest: it answers otherwise than it did."""
    digest, archive = attack.one_of("SELECT digest, archive FROM journal.rule_version ORDER BY 1")
    at = attack.chance.randrange(len(archive))
    forged = archive[:at] + bytes([archive[at] ^ attack.chance.randrange(1, 256)]) + archive[at + 1 :]
    attack.change("UPDATE journal.rule_version SET archive = %s WHERE digest = %s", forged, digest)


def rule_archive_removed(attack: Attack) -> None:
    """Removes the archive of a version of the rules: what it answered cannot be answered again."""
    attack.change("DELETE FROM journal.rule_version WHERE digest = %s", attack.one_of("SELECT digest FROM journal.rule_version")[0])


def hotlist_file_swapped(attack: Attack) -> None:
    """Puts the hotlist file of one epoch in the place of another's, its digest with it."""
    (one,), (other,) = attack.chance.sample(attack.rows("SELECT epoch FROM hotlist.file ORDER BY 1"), 2)
    attack.change(
        """UPDATE hotlist.file f SET data = o.data, digest = o.digest, position = o.position, made_at = o.made_at, listed = o.listed
           FROM hotlist.file o WHERE f.epoch = %s AND o.epoch = %s""",
        one,
        other,
    )


def hotlist_file_removed(attack: Attack) -> None:
    """Removes the newest hotlist files: gates go on without the losses that these list."""
    attack.change("DELETE FROM hotlist.file WHERE epoch > (SELECT max(epoch) FROM hotlist.file) - %s", attack.chance.randrange(1, 4))


def hotlist_file_renumbered(attack: Attack) -> None:
    """Gives the newest hotlist file the number of an epoch that is to come."""
    attack.change(
        "UPDATE hotlist.file SET epoch = epoch + %s WHERE epoch = (SELECT max(epoch) FROM hotlist.file)", attack.chance.randrange(1, 9)
    )


def view_row_edited(attack: Attack) -> None:
    """Edits a row of a view that answers rest on: a lost card is good again."""
    key, facts = attack.one_of("SELECT key, facts FROM views.card_standing WHERE facts LIKE '%%temporary_loss%%' ORDER BY 1")
    attack.change("UPDATE views.card_standing SET facts = %s WHERE key = %s", facts.replace("temporary_loss", "app_lock", 1), key)


def checkpoint_moved_ahead(attack: Attack) -> None:
    """Has a view claim more than the journal has, so that it never folds what comes next."""
    view = attack.one_of("SELECT view FROM views.checkpoint ORDER BY 1")[0]
    statement = "UPDATE views.checkpoint SET position = (SELECT position FROM journal.head) + %s WHERE view = %s"
    attack.change(statement, attack.chance.randrange(1, 1_000), view)


_NAMED_AGGREGATES = """
    SELECT s.name FROM journal.stream s JOIN journal.batch b USING (stream_id) JOIN journal.event e ON e.position = b.first_position
    WHERE NOT s.is_feed AND b.first_sequence = 1 ORDER BY 1"""
_REQUESTS_OF_DECISIONS = """
    SELECT r.request_key, r.position FROM journal.request r JOIN journal.event e USING (position)
    WHERE e.kind = 'decision_made' ORDER BY position"""
_TOKENS = "SELECT token_key FROM journal.redeemed_token ORDER BY position"

BESIDE_THE_JOURNAL = (
    Kind(11, "feed-unregistered", feed_renamed),
    Kind(11, "feed-owner", feed_given_to_another),
    Kind(11, "aggregate-name", aggregate_renamed),
    Kind(12, "correction-missing", correction_removed),
    Kind(12, "correction-added", correction_added),
    Kind(13, "request-elsewhere", request_led_elsewhere),
    Kind(13, "request-missing", request_removed),
    Kind(13, "request-elsewhere", request_forged),
    Kind(13, "token-missing", token_freed),
    Kind(13, "token-added", token_spoilt),
    Kind(13, "batch-elsewhere", batch_led_elsewhere),
    Kind(13, "batch-gap", batch_dropped),
    Kind(13, "batch-time", batch_given_another_time),
    Kind(14, "rules-replaced", rule_archive_replaced),
    Kind(14, "rules-missing", rule_archive_removed),
    Kind(16, "view-differs", view_row_edited, "", "card_standing"),
    Kind(16, "checkpoint-beyond-head", checkpoint_moved_ahead),
    Kind(28, "hotlist-file", hotlist_file_swapped),
    Kind(28, "hotlist-missing", hotlist_file_removed),
    Kind(28, "hotlist-missing", hotlist_file_renumbered),
)
