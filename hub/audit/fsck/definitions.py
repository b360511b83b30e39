"""What the check itself asks the server by: who replaces that has the check say what he likes."""

import re
from collections.abc import Iterator

from hub.audit.fsck.differences import Difference
from hub.audit.fsck.scene import Scene
from hub.journal.migrate import MIGRATIONS

_ALL_EVENTS = re.compile(r'\s*SELECT [\w,\s."]+ FROM (journal\.)?event;\s*')


def examine_definitions(scene: Scene) -> Iterator[Difference]:
    """The functions that make leaves are those of the migrations, and the history that is read is the table of events."""
    texts = "".join([file.read_text(encoding="utf-8") for file in sorted(MIGRATIONS.glob("*.sql"))])
    for name, body in scene.rows(_FUNCTIONS):
        if body is None or body not in texts:
            yield Difference("definition-altered", name=name)
    [(view,)] = scene.rows("SELECT pg_get_viewdef(to_regclass('journal.history'))")
    if view is None or not _ALL_EVENTS.fullmatch(view):
        yield Difference("definition-altered", name="journal.history")


_FUNCTIONS = """
    SELECT f.name, (SELECT string_agg(p.prosrc, chr(0x10ffff)) FROM pg_proc p WHERE p.pronamespace = 'journal'::regnamespace
                    AND 'journal.' || p.proname = f.name)
    FROM (VALUES ('journal.entry'), ('journal.leaf')) f (name)"""
