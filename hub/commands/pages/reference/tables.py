"""The sections that are tables of the hub's own: roles, limits, rules of events and requests, scenarios."""

import re
from collections.abc import Iterator

from hub.commands.pages import limits
from hub.commands.pages.reference import markup
from hub.commands.roles_page import MEANINGS as ROLES
from hub.domain import reference
from hub.domain.quarantine import MEANINGS as RULES


def role_section() -> Iterator[str]:
    """Yields what each role is for."""
    yield markup.table(
        ("角色 role", "名称", "做什么 what it does"),
        ((markup.code(role, f"role.{role}"), markup.plain(name), markup.plain(what)) for role, (name, what) in ROLES.items()),
    )


def limit_section() -> Iterator[str]:
    """Yields what is limited, to how much, and what happens beyond it."""
    yield markup.table(
        ("对象 what", "限度 limit", "超过时 beyond it"), (tuple(markup.plain(_unmarked(cell)) for cell in row) for row in limits.rows())
    )


def rule_section() -> Iterator[str]:
    """Yields the rules that an event or a request may break; those of shape are beside each field."""
    yield markup.paragraph(
        "违反规则的事件照常占号，但被隔离；违反规则的请求被拒（REQUEST_INVALID）。各字段旁注明了格式规则。"
        "An event that breaks a rule takes its number and is quarantined; a request that breaks one is refused "
        "(REQUEST_INVALID). Rules of shape are beside each field."
    )
    yield markup.table(
        ("规则 rule", "含义", "meaning"),
        ((markup.code(rule, f"rule.{rule}"), markup.plain(words.text_zh), markup.plain(words.text_en)) for rule, words in RULES.items()),
    )


def scenario_section() -> Iterator[str]:
    """Yields the catalogue of scenarios, the newest words of each."""
    newest = (versions[-1] for versions in reference.load().scenarios.values())
    yield markup.table(
        ("场景 scenario", "名称", "name"),
        ((markup.code(one.code, f"scenario.{one.code}"), markup.plain(one.name_zh), markup.plain(one.name_en)) for one in newest),
    )


def _unmarked(markdown: str) -> str:
    """Returns a cell of a page in docs/ without the marks of Markdown."""
    return re.sub(r"\s*\(\[[^]]*\]\([^)]*\)\)", "", markdown).replace("`", "")
