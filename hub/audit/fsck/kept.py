"""What is kept beside the journal because an event names it by its digest: archives of rules, hotlist files, and the keys themselves."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from hub.audit.fsck.differences import Difference
from hub.audit.fsck.scene import Scene
from hub.audit.rule_archive import archive_digest, unpack_version
from hub.domain.errors import RuleVersionDamaged
from hub.domain.hotlist import Epoch


def examine_rules(scene: Scene) -> Iterator[Difference]:
    """The archive of each version is the one whose digest was recorded, and its sources are those of the digest that decisions carry."""
    archives: dict[bytes, tuple[int, bytes]] = {}
    for recorded in scene.decided["rules_published"]:
        published = recorded.event.rules_published
        _, known = archives.get(published.rules_digest, (0, b""))
        archives[published.rules_digest] = recorded.position, published.archive_digest or known
    for digest, (position, named) in archives.items():
        rows = scene.rows("SELECT archive FROM journal.rule_version WHERE digest = %(digest)s", digest=digest)
        if not rows:
            yield Difference("rules-missing", rules=digest.hex()[:12], position=position)
            continue
        if (why := _why_not(bytes(rows[0][0]), digest, named)) is not None:
            yield Difference("rules-replaced", rules=digest.hex()[:12], position=position, why=why)


def _why_not(archive: bytes, digest: bytes, published: bytes) -> str | None:
    """Returns why an archive is not the one of a digest, None if it is; it is unpacked only where its own digest was not recorded yet."""
    if published:
        return None if archive_digest(archive) == published else "its archive is not the one that was kept then"
    with tempfile.TemporaryDirectory(prefix="hub-fsck-") as directory:
        try:
            unpack_version(archive, digest, b"", Path(directory))
        except RuleVersionDamaged as damaged:
            return str(damaged)
    return None


def examine_hotlist(scene: Scene) -> Iterator[Difference]:
    """Each file is the one that was published under its epoch, and those since the last snapshot are there: older ones may be deleted."""
    base = 0
    gone = {recorded.sequence: recorded for recorded in scene.decided["hotlist_published"]}
    for (epoch,) in scene.as_writer("SELECT epoch FROM hotlist.file ORDER BY epoch"):
        # A file without its event is the rest of a build that was interrupted, or newer than the head: nobody gets it, or not yet.
        if (recorded := gone.pop(epoch, None)) is None:
            continue
        event = recorded.event.hotlist_published
        [(data, digest, *row)] = scene.as_writer(_HOTLIST_FILE, epoch=epoch)
        head = Epoch.of(data)
        base = head.base_epoch
        of_file = (head.base_epoch, head.position, head.instant_us, head.listed, head.issued, head.unlistable)
        named = (hashlib.new("sm3", data).digest(), head.epoch, head.position, head.listed)
        if named != (event.digest, event.epoch, event.as_of_position, event.card_count) or (digest, *row) != (event.digest, *of_file):
            yield Difference("hotlist-file", epoch=epoch, position=recorded.position)
    yield from (Difference("hotlist-missing", epoch=epoch, position=recorded.position) for epoch, recorded in gone.items() if epoch >= base)


def examine_keys(scene: Scene) -> Iterator[Difference]:
    """The pseudonym key is the one under which identifiers were recorded."""
    if scene.keyring is not None:
        rows = scene.as_writer("SELECT fingerprint FROM vault.key_fingerprint WHERE purpose = 'pseudonym'")
        if rows and bytes(rows[0][0]) != scene.keyring.fingerprint:
            yield Difference("keys-differ")


def examine_vault(scene: Scene) -> Iterator[Difference]:
    """What the journal says was erased is erased, identifiers and originals."""
    for recorded in scene.decided["identifier_erased"]:
        erased = recorded.event.identifier_erased
        for (key,) in scene.as_writer(_UNBURIED, keys=list(erased.identifier_keys)):
            yield Difference("erased-again", key=f"{bytes(key).hex()[:16]}…", position=recorded.position)
        feeds, sequences = [one.feed for one in erased.originals], [one.sequence for one in erased.originals]
        for feed, sequence in scene.as_writer(_UNBURIED_ORIGINALS, feeds=feeds, sequences=sequences):
            yield Difference("original-erased-again", feed=feed, sequence=sequence, position=recorded.position)


_HOTLIST_FILE = """
    SELECT data, digest, base_epoch, position, (extract(epoch FROM made_at) * 1000000)::bigint, listed, issued, unlistable
    FROM hotlist.file WHERE epoch = %(epoch)s"""
_UNBURIED = "SELECT key FROM vault.identifier WHERE key = ANY (%(keys)s) AND erased_at IS NULL"
_UNBURIED_ORIGINALS = """
    SELECT e.feed, e.sequence FROM unnest(%(feeds)s::text[], %(sequences)s::bigint[]) e (feed, sequence)
    JOIN journal.stream s ON s.name = e.feed
    JOIN vault.original o ON o.stream_id = s.stream_id AND o.sequence = e.sequence WHERE o.erased_at IS NULL"""
