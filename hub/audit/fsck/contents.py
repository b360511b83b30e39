"""What events contain: no identifier in clear, neither in its own fields nor in texts."""

from collections.abc import Iterator

from hub.audit.fsck.differences import Difference
from hub.audit.fsck.scene import Scene
from hub.domain.pseudonym import clear_paths
from hub.domain.texts import identifiers_in_texts
from hub.journal.reader import read_page

_PAGE = 10_000


def examine_identifiers(scene: Scene) -> Iterator[Difference]:
    """Looks into every field and every text of every event."""
    for after, through in scene.pages("identifiers", _PAGE):
        for recorded in scene.readable(read_page(scene.connection, after, through)):
            for path in clear_paths(recorded.event):
                scene.checked.clear_identifiers += 1
                yield Difference("identifier-in-clear", position=recorded.position, path=path)
            for path, kind in identifiers_in_texts(recorded.event):
                scene.checked.clear_identifiers += 1
                yield Difference("identifier-in-text", position=recorded.position, path=path, kind=kind)
