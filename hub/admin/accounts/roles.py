"""What a user of the console is: roles and provinces. Nobody is administrator and auditor at once: who gives access does not audit it."""

from collections.abc import Collection

from hub.domain.errors import HubError

ADMINISTRATOR, OPERATOR, AUDITOR, POLICY, STAFF = "ADMINISTRATOR", "OPERATOR", "AUDITOR", "POLICY", "PROVINCE_STAFF"
ROLES = {
    ADMINISTRATOR: ("管理员", "administrator"),
    OPERATOR: ("运维", "operator"),
    AUDITOR: ("审计员", "auditor"),
    POLICY: ("政策人员", "policy staff"),
    STAFF: ("本省人员", "province staff"),
}
PROVINCES = ("51", "50")


class RolesUnfit(HubError):
    """Roles are ADMINISTRATOR, OPERATOR, AUDITOR, POLICY and PROVINCE_STAFF, at least one; an administrator is no auditor."""


class ProvincesUnfit(HubError):
    """Provinces are 51 and 50, at least one; staff of a province have that one alone."""


def check_roles(roles: Collection[str]) -> None:
    """Raises RolesUnfit."""
    if not roles or not set(roles) <= ROLES.keys() or {ADMINISTRATOR, AUDITOR} <= set(roles):
        raise RolesUnfit


def check_provinces(provinces: Collection[str], roles: Collection[str]) -> None:
    """Raises ProvincesUnfit."""
    if not provinces or not set(provinces) <= set(PROVINCES) or (STAFF in roles and len(set(provinces)) > 1):
        raise ProvincesUnfit
