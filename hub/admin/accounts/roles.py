"""What a user of the console is: roles and provinces. Nobody is administrator and auditor at once: who gives access does not audit it."""

from collections.abc import Collection

from hub.domain.errors import HubError

ADMINISTRATOR, OPERATOR, AUDITOR, POLICY = "ADMINISTRATOR", "OPERATOR", "AUDITOR", "POLICY"
ROLES = {
    ADMINISTRATOR: ("管理员", "administrator"),
    OPERATOR: ("运维", "operator"),
    AUDITOR: ("审计员", "auditor"),
    POLICY: ("政策人员", "policy staff"),
}
PROVINCES = ("51", "50")


class RolesUnfit(HubError):
    """Roles are ADMINISTRATOR, OPERATOR, AUDITOR and POLICY, at least one; an administrator is no auditor."""


class ProvincesUnfit(HubError):
    """Provinces are 51 and 50, at least one."""


def check_roles(roles: Collection[str]) -> None:
    """Raises RolesUnfit."""
    if not roles or not set(roles) <= ROLES.keys() or {ADMINISTRATOR, AUDITOR} <= set(roles):
        raise RolesUnfit


def check_provinces(provinces: Collection[str]) -> None:
    """Raises ProvincesUnfit."""
    if not provinces or not set(provinces) <= set(PROVINCES):
        raise ProvincesUnfit
