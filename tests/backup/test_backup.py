"""A backup taken while two provinces send and service points ask, restored elsewhere: whole, equal, and gone on with where GetFeed says."""

import contextlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
import pytest
from chuanyu.exchange.v1 import event_pb2, feed_service_pb2
from typer.testing import CliRunner

from adapters.kit import Outbox
from adapters.kit.errors import HubBehind
from hub.admin.hotlist import publish
from hub.backup import tables as backup_tables
from hub.backup.restoring import Restored, restore
from hub.backup.target import RestoreOverRunningHub
from hub.backup.writing import BackedUp, back_up
from hub.cli import app
from hub.domain import reference
from hub.intake.batches import BATCH_EVENTS
from hub.journal.reader import head_position
from hub.journal.vault import erase_identifier, open_original
from hub.projections import PROJECTIONS, runner
from hub.projections.engine import advance
from hub.projections.rebuild import digest, drop_fresh, fresh_copy
from hub.trust.hotlist_key import open_hotlist_key
from hub.trust.keyring import open_keyring
from tests.clients import Province, add_feed, of_feed
from tests.databases import fresh_database
from tests.hub_process import CHONGQING, SICHUAN, RunningHub, environment, running_hub
from tests.messages import journey, question
from tests.senders import KIT_FEED, Asker, KitSender, Sender, event_of

RECORDED, DUPLICATE = feed_service_pb2.EVENT_OUTCOME_RECORDED, feed_service_pb2.EVENT_OUTCOME_DUPLICATE
BAD_FEED = "sc.card-center"


def bad_event() -> event_pb2.Event:
    event = journey("A00000001")
    event.service_region = "519999"
    return event


def head(dsn: str) -> int:
    with psycopg.connect(dsn) as connection:
        return head_position(connection)


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 100
    while not is_so():
        assert time.monotonic() < deadline, "the senders stand still"
        time.sleep(0.02)


def grown_beyond(dsn: str, position: int) -> None:
    """Waits until the journal is so long."""
    with psycopg.connect(dsn, autocommit=True) as connection:
        until(lambda: head_position(connection) > position)


@dataclass
class Story:
    """What happened: two runs of a backup into one directory under load, the second restored; *earlier* is a copy of the first."""

    source: RunningHub
    directory: Path
    earlier: Path
    senders: list[Sender]
    asker: Asker
    outbox: Path
    first: BackedUp
    second: BackedUp
    grown: tuple[int, int]
    erased_before: bytes
    erased_after: bytes
    target: str = ""
    restored: Restored = field(init=False)

    @property
    def keys(self) -> Path:
        return self.source.data_dir / "keys"

    @property
    def position(self) -> int:
        return self.second.manifest.position


@pytest.fixture(scope="module")
def databases(server_dsn: str) -> Iterator[list[str]]:
    """Two migrated databases and two that are as PostgreSQL makes them."""
    templates = ("hub_template", "hub_template", "template1", "template1")
    with contextlib.ExitStack() as made:
        fresh = (fresh_database(server_dsn, f"hub_test_backup_{number}", template) for number, template in enumerate(templates))
        yield [made.enter_context(database) for database in fresh]


@pytest.fixture(scope="module")
def story(databases: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Runs it all once; small pages and segments, so that there are many of each."""
    path = tmp_path_factory.mktemp("backup")
    use_small_partitions(databases[0])
    with pytest.MonkeyPatch.context() as patch, running_hub(databases[0], path) as hub:
        patch.setattr("hub.backup.writing.SEGMENT_POSITIONS", 200)
        patch.setattr(backup_tables, "PAGE_POSITIONS", 90)
        patch.setattr(backup_tables, "PAGE_ROWS", 20)
        story = under_load(hub, path)
        story.target = databases[1]
        story.restored = restore(story.target, story.directory, story.keys)
        yield story


def use_small_partitions(dsn: str) -> None:
    with psycopg.connect(dsn) as connection:
        connection.execute("DROP TABLE journal.event_000000, journal.event_000001, journal.event_000002")
        connection.execute("UPDATE journal.head SET partition_size = 300")
        connection.execute("SELECT journal.ensure_partitions()")


def under_load(hub: RunningHub, path: Path) -> Story:
    # Who fails over comes to the same edge again.
    hub.targets *= 2
    senders = [Sender(hub, SICHUAN, "sc.usage", 0, 1), Sender(hub, CHONGQING, "cq.usage", 0, 2)]
    asker, kit = Asker(hub, 3), KitSender(hub, path / "outbox.sqlite")
    sichuan = Province(hub, SICHUAN)
    for system in (*senders, asker, kit):
        system.start()
    sichuan.tell(BAD_FEED, bad_event())
    grown_beyond(hub.dsn, 450)
    until(lambda: len(asker.answered) > 20)
    with psycopg.connect(hub.dsn, autocommit=True) as connection:
        erased_before, erased_after = (
            bytes(row[0]) for row in connection.execute("SELECT key FROM vault.identifier ORDER BY key LIMIT 2").fetchall()
        )
        assert erase_identifier(connection, erased_before)
    keyring, key = open_keyring(path / "keys"), open_hotlist_key(path / "keys")
    publish(hub.dsn, keyring, key, reference.load(), time.time_ns() // 1000)
    first = back_up(hub.dsn, path / "to")
    shutil.copytree(path / "to", path / "earlier")
    sichuan.tell(BAD_FEED, bad_event())
    grown_beyond(hub.dsn, first.manifest.position + 350)

    def meanwhile(what: str, done: int, of: int) -> None:
        if what.startswith("journal") and done == of:
            sichuan.tell(BAD_FEED, bad_event())
        if what.startswith("vault") and done == of:
            with psycopg.connect(hub.dsn, autocommit=True) as connection:
                assert erase_identifier(connection, erased_after)

    began = head(hub.dsn)
    second = back_up(hub.dsn, path / "to", meanwhile)
    grown = (began, head(hub.dsn))
    grown_beyond(hub.dsn, second.manifest.position + 100)
    for system in (*senders, asker, kit):
        system.finish(20)
    sichuan.channel.close()
    return Story(
        hub, path / "to", path / "earlier", senders, asker, path / "outbox.sqlite", first, second, grown, erased_before, erased_after
    )  # fmt: skip


def rows(dsn: str, select: str) -> list[tuple[object, ...]]:
    with psycopg.connect(dsn) as connection:
        return connection.execute(select.encode()).fetchall()


def test_the_journal_grew_while_it_was_backed_up(story: Story) -> None:
    began, ended = story.grown
    assert began <= story.position < ended


def test_a_restored_hub_is_clean_at_the_position_of_the_backup(story: Story) -> None:
    assert (story.restored.checked.problems, story.restored.position, head(story.target)) == ([], story.position, story.position)
    assert story.restored.checked.events == story.position


@pytest.mark.parametrize(
    "select",
    [
        "SELECT * FROM journal.event WHERE position <= {} ORDER BY position",
        "SELECT * FROM journal.batch WHERE first_position <= {} ORDER BY first_position",
        "SELECT * FROM journal.correction WHERE position <= {} ORDER BY position",
        "SELECT * FROM journal.request WHERE position <= {} ORDER BY position",
        "SELECT * FROM journal.redeemed_token WHERE position <= {} ORDER BY position",
        "SELECT * FROM journal.rule_version ORDER BY digest",
        "SELECT * FROM hotlist.file ORDER BY epoch",
        "SELECT purpose, fingerprint FROM vault.key_fingerprint",
    ],
)
def test_the_tables_are_equal_up_to_the_position(story: Story, select: str) -> None:
    select = select.format(story.position)
    assert rows(story.target, select) == rows(story.source.dsn, select)


def test_each_view_equals_its_rebuild_at_that_position_on_the_source(story: Story) -> None:
    with runner.connect(story.source.dsn) as source, runner.connect(story.target) as target:
        for projection in PROJECTIONS:
            fresh = fresh_copy(source, projection)
            while advance(source, fresh, through=story.position):
                pass
            assert digest(source, fresh) == digest(target, projection), projection.name
            drop_fresh(source, projection)


def test_a_second_run_reads_only_what_is_new_and_keeps_the_segments(story: Story) -> None:
    kept = len(story.first.manifest.segments)
    assert story.second.new_positions == story.position - story.first.manifest.position
    assert story.second.manifest.segments[:kept] == story.first.manifest.segments
    assert all(file.path.startswith("run-000002/") for segment in story.second.manifest.segments[kept:] for file in segment.files)


def test_a_finished_run_leaves_nothing_that_it_does_not_name(story: Story) -> None:
    manifest = story.second.manifest
    named = {"manifest.json", manifest.erasures.path, *(file.path for file in manifest.files)}
    found = {str(path.relative_to(story.directory)) for path in story.directory.rglob("*") if path.is_file()}
    assert found == named


def test_the_head_is_where_the_feeds_are(story: Story) -> None:
    lasts = "SELECT stream_id, max(sequence) + 1 FROM journal.event GROUP BY 1 ORDER BY 1"
    assert rows(story.target, lasts) == rows(
        story.target, "SELECT stream_id, next_sequence FROM journal.stream WHERE next_sequence > 1 ORDER BY 1"
    )


def test_partitions_are_as_large_as_they_were_and_two_lie_ahead(story: Story) -> None:
    ahead = rows(story.target, "SELECT journal.ensure_partitions(), partition_size FROM journal.head")
    assert ahead == [(2, 300)]


def test_an_original_of_a_number_beyond_the_backup_is_not_restored(story: Story) -> None:
    stream = "SELECT stream_id FROM journal.stream WHERE name = 'sc.card-center'"
    select = f"SELECT sequence FROM vault.original WHERE stream_id = ({stream}) ORDER BY 1"
    assert (rows(story.source.dsn, select), rows(story.target, select)) == ([(1,), (2,), (3,)], [(1,), (2,)])


def test_a_restored_original_opens_with_the_keys(story: Story) -> None:
    [(stream,)] = rows(story.target, "SELECT stream_id FROM journal.stream WHERE name = 'sc.card-center'")
    with psycopg.connect(story.target) as connection:
        assert isinstance(stream, int)
        original = open_original(connection, open_keyring(story.keys), stream, 2)
    assert original == bad_event().SerializeToString()


def test_what_was_erased_before_or_during_the_backup_stays_erased(story: Story) -> None:
    erased = rows(story.target, "SELECT key FROM vault.identifier WHERE sealed IS NULL AND erased_at IS NOT NULL ORDER BY key")
    assert erased == [(story.erased_before,), (story.erased_after,)]


def test_what_was_erased_later_is_erased_by_the_list_of_the_later_backup(story: Story, databases: list[str]) -> None:
    later = story.directory / story.second.manifest.erasures.path
    restored = restore(databases[2], story.earlier, story.keys, later)
    erased = rows(databases[2], "SELECT key FROM vault.identifier WHERE sealed IS NULL AND erased_at IS NOT NULL ORDER BY key")
    assert (restored.checked.problems, restored.erased) == ([], 1)
    assert erased == [(story.erased_before,), (story.erased_after,)]


def test_the_commands_back_up_and_restore(story: Story, databases: list[str], tmp_path: Path) -> None:
    def hub(dsn: str, command: str) -> dict[str, object]:
        done = CliRunner().invoke(app, [command, str(tmp_path / "to"), "--json"], env=environment(dsn, story.source.data_dir))
        assert done.exit_code == 0, done.output
        return dict(json.loads(done.stdout.splitlines()[-1]))

    taken, restored = hub(story.source.dsn, "backup"), hub(databases[3], "restore")
    assert (restored["clean"], restored["position"]) == (True, taken["position"])


@pytest.fixture(scope="module")
def restarted(story: Story) -> Iterator[RunningHub]:
    """A hub on the restored database, with the same keys."""
    with running_hub(story.target, story.source.data_dir) as hub:
        yield hub


def test_a_restore_over_a_running_hub_is_refused(story: Story, restarted: RunningHub) -> None:
    with pytest.raises(RestoreOverRunningHub, match="hub-writer"):
        restore(restarted.dsn, story.directory, story.keys)


def test_feeds_resume_where_get_feed_says_without_loss_or_double(story: Story, restarted: RunningHub) -> None:
    for sender, urn in zip(story.senders, (SICHUAN, CHONGQING), strict=True):
        province = Province(restarted, urn)
        following = province.next_sequence(sender.feed)
        assert following <= max(sender.acknowledged), "nothing was acknowledged after the backup"
        events = [event_of(sender.feed, sequence) for sequence in range(following - 1, sender.handed_out + 1)]
        # On a busy machine more is sent after the backup than one batch holds.
        answers = [
            province.append(sender.feed, following - 1 + start, *events[start : start + BATCH_EVENTS])
            for start in range(0, len(events), BATCH_EVENTS)
        ]
        assert [outcome for answer in answers for outcome in answer.outcomes] == [DUPLICATE] + [RECORDED] * (len(events) - 1)
        assert answers[0].positions[0] == sender.acknowledged[following - 1]
        province.channel.close()
        found = [(event.sequence, event.event.source.message_id) for event in of_feed(restarted.dsn, sender.feed)]
        assert found == [(sequence, f"{sender.feed} {sequence}") for sequence in range(1, sender.handed_out + 1)]


def test_a_bad_event_beyond_the_backup_can_be_sent_again(restarted: RunningHub) -> None:
    province = Province(restarted, SICHUAN)
    assert list(province.append(BAD_FEED, 3, bad_event()).outcomes) == [feed_service_pb2.EVENT_OUTCOME_QUARANTINED]
    province.channel.close()


def test_an_outbox_that_was_emptied_says_that_the_hub_is_behind_until_it_is_told_to_go_on(story: Story, restarted: RunningHub) -> None:
    province = Province(restarted, CHONGQING)
    following = province.next_sequence(KIT_FEED)
    province.channel.close()
    outbox = Outbox(story.outbox)
    with pytest.raises(HubBehind):
        outbox.check_pair(KIT_FEED, following)
    outbox.continue_at(KIT_FEED, following)
    outbox.check_pair(KIT_FEED, following)
    assert outbox.state(KIT_FEED).next_sequence == following
    outbox.close()


def test_a_question_answered_before_the_backup_gets_the_same_answer(story: Story, restarted: RunningHub) -> None:
    province = Province(restarted, SICHUAN)
    before = {name: answer for name, answer in story.asker.answered.items() if answer.position <= story.position}
    assert len(before) >= 20
    for name, answer in list(before.items())[-20:]:
        assert province.cards.CheckAcceptance(question(name, f"A{int(name[1:]) % 97:08d}"), timeout=10) == answer
    province.channel.close()


def test_a_feed_made_after_the_restore_has_a_row_of_its_own(restarted: RunningHub) -> None:
    add_feed(restarted, SICHUAN, "sc.after-restore")
    [(count, streams)] = rows(restarted.dsn, "SELECT count(*), count(DISTINCT stream_id) FROM journal.stream")
    assert count == streams
