"""Who is signed in: roles, provinces, how the session began, keys of the keyboard; and the end of the session."""

from hub.admin.accounts.roles import ROLES
from hub.admin.accounts.sessions import end_session
from hub.console.page import Moved, Page, Shown
from hub.words.names import PROVINCES


def me(page: Page) -> Shown:
    """Shows it."""
    account = page.account
    values = {
        "roles_in_words": [(role, page.words.of(ROLES, role)) for role in account.roles],
        "provinces_in_words": [page.words.of(PROVINCES, province) for province in account.provinces],
        "way": page.t("一次性链接", "one-time link") if page.session.way == "LINK" else page.t("密码与验证码", "password and code"),
        "has_password": bool(account.password),
        "has_second_factor": bool(account.totp_sealed),
        "token": page.session.token,
    }
    return Shown("me", page.t("我", "Me"), values)


def sign_out(page: Page) -> Moved:
    """Ends the session."""
    with page.workings.rows.session() as connection:
        end_session(connection, page.session)
    return Moved("/sign-in")
