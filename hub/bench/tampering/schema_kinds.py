"""The kinds of tampering of one who takes the rules of the schema away first, or has the check itself read something else."""

from hub.bench.tampering.kinds import Attack, Kind
from hub.bench.tampering.log_kinds import content_changed
from hub.tlog import sealer, store
from hub.tlog.genesis import Continued, Genesis
from hub.tlog.note import Checkpoint

_EVENT = "SELECT position FROM journal.event WHERE kind = 'transit_journey_completed' ORDER BY 1"


def value_taken_out_of_an_event(attack: Attack) -> None:
    """Takes a value out of the row of an event, and before it the rule that forbids this."""
    column = attack.chance.choice(("data", "kind", "recorded_at"))
    attack.connection.execute(f"ALTER TABLE journal.event ALTER COLUMN {column} DROP NOT NULL".encode())
    attack.change(f"UPDATE journal.event SET {column} = NULL WHERE position = %s", attack.one_of(_EVENT)[0])  # noqa: S608


def time_that_no_clock_shows(attack: Attack) -> None:
    """Gives an event a time that no clock shows, from which a leaf cannot even be computed."""
    time = attack.chance.choice(("infinity", "-infinity", "294275-01-01"))
    attack.change("UPDATE journal.event SET occurred_at = %s WHERE position = %s", time, attack.one_of(_EVENT)[0])


def stream_taken_away(attack: Attack) -> None:
    """Removes the row of a stream, so that its events are of none, and changes what they say."""
    stream = attack.one_of("SELECT DISTINCT e.stream_id FROM journal.event e JOIN journal.stream s USING (stream_id) ORDER BY 1")[0]
    attack.connection.execute(b"SET LOCAL session_replication_role = replica")
    attack.change("DELETE FROM journal.stream WHERE stream_id = %s", stream)
    attack.change("UPDATE journal.event SET data = data || %s WHERE stream_id = %s", b"\x3a\x06510000", stream)


def head_moved_far_beyond(attack: Attack) -> None:
    """Says that the journal ends where no check would come to in years."""
    attack.change("UPDATE journal.head SET position = %s", (1 << 63) - 1 - attack.chance.randrange(1_000))


def log_begun_again_over_an_altered_event(attack: Attack) -> None:
    """Changes an event and begins another log, as a restore does; the hub's own sealer signs it from there on."""
    [(origin, entry)] = attack.rows("SELECT origin, genesis FROM tlog.incarnation")
    size, root = attack.rows("SELECT size, root FROM tlog.checkpoint ORDER BY size DESC LIMIT 1")[0]
    content_changed(attack, size)
    before, name = Genesis.parse(entry), f"{origin.rpartition('/')[0]}/2"
    again = Genesis(name, before.hub, before.pseudonym_key, Continued(Checkpoint(origin, size, root), size, root))
    log = store.Incarnation(2, name, again.entry)
    store.put_incarnation(attack.connection, log)
    sealer.catch_up(sealer.Sealer(attack.connection, attack.hub.log_keys, log))


def heads_removed(attack: Attack) -> None:
    """Removes every head, as if nothing had ever been sealed, and changes an event."""
    content_changed(attack, 2**62)
    attack.change("DELETE FROM tlog.cosignature")
    attack.change("DELETE FROM tlog.checkpoint")
    if attack.chance.randrange(2):
        attack.change("DELETE FROM tlog.incarnation")
    attack.others = [attack.hub.newest]


def log_taken_away_before_its_heads(attack: Attack) -> None:
    """Removes the log and leaves its heads."""
    attack.change("DELETE FROM tlog.incarnation")


def history_read_elsewhere(attack: Attack) -> None:
    """Has the check read a copy of the events that nobody changed, and changes one."""
    attack.connection.execute(b"CREATE TABLE journal.copied AS SELECT * FROM journal.event")
    attack.connection.execute(b"GRANT SELECT ON journal.copied TO hub_projector")
    attack.connection.execute(b"CREATE OR REPLACE VIEW journal.history AS SELECT * FROM journal.copied")
    content_changed(attack, 2**62)


def leaves_believed(attack: Attack) -> None:
    """Replaces the function that makes leaves by one that believes what is in the row, and changes an event."""
    attack.connection.execute(_BELIEVING)
    attack.change("UPDATE journal.event SET data = data || %s WHERE position = %s", b"\x3a\x06510000", attack.one_of(_EVENT)[0])


def table_taken_away(attack: Attack) -> None:
    """Takes away a table that the check reads."""
    table = attack.chance.choice(("journal.redeemed_token", "journal.request", "tlog.index_group", "tlog.tile"))
    attack.connection.execute(f"DROP TABLE {table}".encode())


_BELIEVING = b"""
    CREATE OR REPLACE FUNCTION journal.leaf(
        p_position bigint, p_recorded_at timestamptz, p_sequence bigint, p_stream text, p_occurred_at timestamptz, p_kind text,
        p_digest bytea, p_data bytea
    ) RETURNS bytea LANGUAGE sql STABLE AS $$ SELECT e.leaf FROM journal.event e WHERE e.position = p_position $$"""
_LOG, _AGAINST = "--tlog", "--tlog --policy --against"
SCHEMA = (
    Kind(1, "event-altered", value_taken_out_of_an_event, _LOG),
    Kind(1, "event-altered", time_that_no_clock_shows, _LOG),
    Kind(2, "position-missing", head_moved_far_beyond),
    Kind(11, "stream-missing", stream_taken_away),
    Kind(15, "definition-altered", history_read_elsewhere),
    Kind(19, "definition-altered", leaves_believed),
    Kind(20, "root-differs", log_begun_again_over_an_altered_event, _LOG),
    Kind(20, "incarnation-missing", log_taken_away_before_its_heads, _LOG),
    Kind(20, "examination-broken", table_taken_away, _LOG),
    Kind(23, "behind-cosigned", heads_removed, _AGAINST),
)
