"""The views: each is what a rebuild makes of the journal, claims no position that is not there, and has parked nothing."""

from collections.abc import Iterator

from google.protobuf.message import DecodeError

from hub.audit.fsck.differences import Difference
from hub.audit.fsck.scene import Scene
from hub.projections.rebuild import rebuild


def examine_checkpoints(scene: Scene) -> Iterator[Difference]:
    """No view claims more than the journal has."""
    for view, position, head in scene.rows(_BEYOND):
        yield Difference("checkpoint-beyond-head", view=view, position=position, head=head)


def examine_views(scene: Scene) -> Iterator[Difference]:
    """Each view is equal to its rebuild; where it is not, the first row that differs is named."""
    for projection in scene.views:
        try:
            result = rebuild(scene.connection, projection, switch=False, report=scene.report)
        except DecodeError:
            scene.checked.views[projection.name] = False
            yield Difference("view-not-foldable", view=projection.name)
            continue
        scene.checked.views[projection.name] = result.is_equal
        if not result.is_equal:
            table, _, key = str(result.place).partition(": ")
            yield Difference("view-differs", view=projection.name, position=result.position, table=table, key=key)
    [(parked,)] = scene.rows("SELECT count(*) FROM views.parked")
    scene.checked.parked = int(parked)
    if parked:
        yield Difference("events-parked", parked=parked)


# One statement reads both: the head moves on meanwhile, and views follow it.
_BEYOND = """
    SELECT c.view, c.position, h.position FROM views.checkpoint c CROSS JOIN journal.head h
    WHERE c.position > h.position ORDER BY c.view"""
