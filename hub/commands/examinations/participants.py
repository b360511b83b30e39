"""Participants: whether each of them may do something at all."""

from hub.admin.roles import names_without_roles
from hub.commands.examinations import Examined, Scene, examination, ok, warning


@examination("参与方角色 roles of participants", needs_database=True)
def participant_roles(scene: Scene) -> Examined:
    """Every participant has a role: one without any is refused everything."""
    if not (names := names_without_roles(scene.dsn)):
        return ok("均有角色 all have one")
    return warning(
        f"无角色，一切被拒 without roles, so all is refused them: {', '.join(names)}",
        "hub participants grant NAME ROLE …；升级后 after an upgrade: hub participants grant-as-before",
    )
