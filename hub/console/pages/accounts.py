"""Users: who may sign in, as what, for which province. A change ends the sessions of the one it is about, and is in the security log."""

from hub.admin.accounts.accounts import AccountUnknown, all_accounts, disable, find_account, put_account
from hub.admin.accounts.roles import PROVINCES, ROLES
from hub.admin.accounts.sessions import make_link, sessions_of
from hub.console.page import Moved, Page, PageForbidden, Shown
from hub.console.tables import Cell, Column, table
from hub.telemetry.logs import security
from hub.words import names


def users(page: Page) -> Shown:
    """Shows all accounts."""
    return _users(page, "", "")


def _users(page: Page, link: str, whose: str) -> Shown:
    with page.workings.rows.session() as connection:
        accounts, sessions = all_accounts(connection), sessions_of(connection)
    columns = (
        Column("name", "账号", "Name"),
        Column("title", "名称", "Title"),
        Column("roles", "角色", "Roles"),
        Column("provinces", "省份", "Provinces"),
        Column("way", "登录方式", "Signs in by"),
        Column("sessions", "会话", "Sessions", "number"),
        Column("state", "状态", "State"),
    )
    rows = []
    for one in accounts:
        way = page.t("密码与验证码", "password and code") if one.password and one.totp_sealed else page.t("一次性链接", "one-time link")
        state = Cell(page.t("停用", "disabled"), mark="attention") if one.is_disabled else Cell(page.t("启用", "active"))
        roles = " ".join(page.words.of(ROLES, role) for role in one.roles)
        provinces = " ".join(page.words.of(names.PROVINCES, province) for province in one.provinces)
        rows.append((one.name, one.title, Cell(roles, code=" ".join(one.roles)), provinces, way, sessions.get(one.name, 0), state))
    values = {
        "accounts": accounts,
        "all_roles": [(role, page.words.of(ROLES, role)) for role in ROLES],
        "all_provinces": [(province, page.words.of(names.PROVINCES, province)) for province in PROVINCES],
        "token": page.session.token,
        "link": link,
        "whose": whose,
        "mine": page.account.name,
    }
    return Shown("users", page.t("用户", "Users"), values, (table("users", columns, rows),))


def put(page: Page) -> Moved:
    """Makes an account or changes its roles; raises RolesUnfit, ProvincesUnfit or AccountNameUnfit."""
    name, title = str(page.form.get("name", "")), str(page.form.get("title", ""))[:80]
    roles, provinces = ([str(one) for one in page.form.getlist(field)] for field in ("role", "province"))
    _refuse_own(page, name)
    with page.workings.rows.session() as connection:
        put_account(connection, name, title, roles, provinces)
    page.workings.seen_sessions.forget(name)
    security("console.account_put", operator=page.account.name, account=name, roles=" ".join(roles), provinces=" ".join(provinces))
    return Moved("/admin/users")


def link(page: Page) -> Shown:
    """Makes a link that signs somebody in once, and shows it once; raises AccountUnknown."""
    name = page.parameters["name"]
    _refuse_own(page, name)
    with page.workings.rows.session() as connection:
        if find_account(connection, name) is None:
            raise AccountUnknown
        secret = make_link(connection, name)
    security("console.link_made", operator=page.account.name, account=name)
    return _users(page, f"/enter/{secret}", name)


def end(page: Page) -> Moved:
    """Disables an account, or enables it again."""
    name = page.parameters["name"]
    _refuse_own(page, name)
    is_disabled = page.form.get("enable") != "1"
    with page.workings.rows.session() as connection:
        disable(connection, name, is_disabled=is_disabled)
    page.workings.seen_sessions.forget(name)
    security("console.account_disabled" if is_disabled else "console.account_enabled", operator=page.account.name, account=name)
    return Moved("/admin/users")


def _refuse_own(page: Page, name: str) -> None:
    """Nobody gives himself another role, or signs in as himself by a link that he made."""
    if name == page.account.name:
        raise PageForbidden
