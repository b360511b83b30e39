"""Participants: their feeds, what they are for, and how long their certificates run."""

from datetime import UTC, datetime, timedelta

from hub.console.page import Page, PageUnknown, Shown
from hub.console.pages.feeds import SWATCHES
from hub.console.tables import Cell, Column, Table, table
from hub.domain.participant import PREFIX, Certificate, Participant
from hub.journal.reader import head_position
from hub.journal.streams import feed_row
from hub.trust.certificates import unrecorded
from hub.words.names import PARTICIPANT_ROLES

# Certificates that end sooner are shown as what somebody must do.
SOON_DAYS = 30


def participants(page: Page) -> Shown:
    """Shows all participants."""
    columns = (
        Column("participant", "参与方", "Participant"),
        Column("province", "省", "Province"),
        Column("title", "名称", "Title"),
        Column("state", "状态", "State"),
        Column("feeds", "数据流", "Feeds", "number"),
        Column("roles", "角色", "Roles"),
        Column("certificates", "证书剩余天数", "Days left of certificates", "end"),
    )
    rows = []
    found = [one for one in page.workings.participants().values() if page.province in ("", one.province)]
    for one in sorted(found, key=lambda one: one.name):
        mine = unrecorded(page.workings.config.certificates_dir, one)
        days = [_days(certificate) for certificate in (*mine, *one.standing_certificates())]
        soon = bool(days) and max(days) < SOON_DAYS
        rows.append(
            (
                Cell(one.name, f"/participants/{one.name}", swatch=SWATCHES.get(one.province, "hub")),
                page.of_province(one.province),
                one.title,
                _state(page, one),
                len(one.feeds),
                _roles(page, one) or page.t("无，一切被拒", "none: all is refused"),
                Cell(f"{max(days):.0f}" if days else "—", mark="attention" if soon else ""),
            )
        )
    with page.reading() as connection:
        position = head_position(connection)
    return Shown("participants", page.t("参与方", "Participants"), {}, (table("participants", columns, rows),), position)


def participant(page: Page) -> Shown:
    """Shows one participant."""
    one = page.workings.participants().get(PREFIX + page.parameters["name"])
    if one is None:
        raise PageUnknown(page.parameters["name"][:63])
    with page.reading() as connection:
        position = head_position(connection)
        following = [(feed, at.next_sequence) for feed in one.feeds if (at := feed_row(connection, feed)) is not None]
    feeds = table(
        "feeds",
        (Column("feed", "数据流", "Feed"), Column("next", "下一编号", "Next number", "number")),
        [(Cell(feed, f"/feeds/{feed}"), sequence) for feed, sequence in following],
    )
    roles = table(
        "roles",
        (Column("role", "角色", "Role"), Column("scope", "范围", "Scope")),
        [(Cell(page.words.of(PARTICIPANT_ROLES, role), code=role), _scope(page, scope)) for role, scope in sorted(one.roles.items())],
    )
    quota = [(name, limit) for name, limit in one.quota._asdict().items() if limit]
    values = {"participant": one, "province": page.of_province(one.province), "state": _state(page, one), "quota": quota}
    return Shown("participant", one.name, values, (feeds, roles, _certificates(page, one)), position)


def _certificates(page: Page, one: Participant) -> Table:
    columns = (
        Column("fingerprint", "指纹", "Fingerprint", "code"),
        Column("ends", "到期", "Ends", "time"),
        Column("days", "剩余天数", "Days left", "end"),
        Column("state", "状态", "State"),
    )
    rows = []
    # Those that this machine issued and nobody has recorded yet are valid, too.
    for certificate in (*unrecorded(page.workings.config.certificates_dir, one), *one.certificates.values()):
        reason, days = one.withdrawn.get(certificate.fingerprint, ""), _days(certificate)
        state = page.t("吊销", "withdrawn") if reason else page.t("有效", "valid") if days > 0 else page.t("到期", "ended")
        mark = "attention" if not reason and days < SOON_DAYS else ""
        ends = page.at(int(certificate.not_after.timestamp()) * 1_000_000)
        rows.append((f"{certificate.fingerprint[:16]}…", ends, Cell(f"{days:.0f}", mark=mark), f"{state} {reason}".strip()))
    return table("certificates", columns, rows)


def _roles(page: Page, one: Participant) -> str:
    return page.t("、", ", ").join(page.words.of(PARTICIPANT_ROLES, role) for role in sorted(one.roles))


def _state(page: Page, one: Participant) -> Cell:
    return Cell(page.t("停用", "suspended"), mark="attention") if one.is_suspended else Cell(page.t("启用", "active"))


def _days(certificate: Certificate) -> float:
    return (certificate.not_after - datetime.now(UTC)) / timedelta(days=1)


def _scope(page: Page, scope: tuple[tuple[str, ...], ...]) -> str:
    return "; ".join(" ".join(part) for part in scope if part) or page.t("全部", "all")
