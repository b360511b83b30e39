"""`hub rules`: the acceptance rules as a table, on the screen or as the page `docs/acceptance.md`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from hub.domain import reference
from hub.domain.acceptance import rules_digest
from hub.domain.rules import RULES, offline_mode
from hub.domain.rules.rule import Rule

PAGE = Path(__file__).parent.parent.parent / "docs" / "acceptance.md"
_HEAD = """# 互认规则 Acceptance rules

May this card be used here, for this, now? Each rule below is one small function in `hub/domain/rules/`; this page is written from
them by `hub rules --write-docs`, and a test holds the two together. Their source is this project: a proposal [D].

How an answer comes about:

1. Every rule whose scenarios match is asked; rules marked *cross* only where the card is outside the province that issued it.
2. All reasons are returned, in the order of the rules. The strictest gives the outcome: `ACCEPT` < `ACCEPT_NO_CONCESSION` < `STEP_UP` <
   `REFER_ISSUER` < `DENY`.
3. What a service point has checked itself comes as claims. A claim that is absent was not said: a rule speaks only if what was said, or
   what the hub knows, breaks it; where the condition is the caller's to show (a filing, an identity, an authority), silence breaks it.

Overrides, all of them:

- Of a card that the hub does not know (A01), nothing is said that follows from its lives alone; the hub's own block (A03) holds for it too.
- A book is always taken back (A32): for `CUL.LIB.RET` no other rule is asked.
- A loss report never needs the card (A70): for `CARD.LOSS`, block (A03), kind (A05), e-card (A06) and chip (A07) are not asked about.
- A PIN is the issuer's business (A72): `CARD.PIN` is referred, agreements are not asked about.
- Money goes to the account, whose own life decides (A60): for `FND.PAY`, neither the plastic's loss or lock (A02) nor its block (A03) is
  looked at; a cancellation, as by the holder's death, stops it. After a death reported of another card, its issuer is asked (A08).
- An e-card that its holder has authorised again passes a temporary loss (A02); 渝快码 carries its token.
- A ride with an elder's concession rests on the agreement about the ride; the concession is A22's and A23's.
- A50 (a sealed card in `HR.*`) is said by A02, A30 (library, reader and medium) by A04 and A31.

The digest of rules and tables is in every answer. A version that takes effect is an event (`rules_published`) and is kept in the
journal's database with the message classes and descriptors of its time and the versions of Python and packages it ran with;
`ExplainAcceptance` with its digest checks it against that event and runs it again, in a process of its own.

| rule | asked for | 问什么 what it asks | looks at | reasons (outcome) |
|---|---|---|---|---|
"""
_OFFLINE = """
## 枢纽不可达时 While the hub cannot be reached (A90)

| scenarios | mode |
|---|---|
"""


def rules(
    write_docs: Annotated[bool, typer.Option("--write-docs", help="写入 docs/acceptance.md。Write the page.")] = False,
) -> None:
    """列出互认规则。List the acceptance rules, what they look at and which reasons they give."""
    if write_docs:
        PAGE.write_text(page(), encoding="utf-8")
        return
    table = Table("规则 rule", "适用 asked for", "问什么 what it asks", "理由 reasons", show_lines=True)
    for rule in RULES:
        table.add_row(rule.rule_id, _asked_for(rule), f"{rule.title_zh}\n{rule.title_en}", "\n".join(_reasons(rule)))
    screen = Console()
    screen.print(table)
    screen.print(f"摘要 digest: {rules_digest().hex()}")


def page() -> str:
    """Returns the page for policy staff."""
    rows = [
        f"| {rule.rule_id} | {_asked_for(rule)} | {rule.title_zh}<br>{rule.title_en} | {'<br>'.join(f'`{path}`' for path in rule.sees)} "
        f"| {'<br>'.join(_reasons(rule))} |"
        for rule in RULES
    ]
    groups: dict[str, list[str]] = {}
    for code in sorted(reference.load().scenario_codes):
        groups.setdefault(offline_mode(code), []).append(f"`{code}`")
    offline = [f"| {' '.join(codes)} | {mode} |" for mode, codes in sorted(groups.items())]
    return _HEAD + "\n".join(rows) + "\n" + _OFFLINE + "\n".join(offline) + "\n"


def _asked_for(rule: Rule) -> str:
    unless = [pattern for pattern in rule.unless if pattern != "CUL.LIB.RET"]
    text = " ".join(f"`{pattern}`" for pattern in rule.scenarios)
    text += "".join(f" not `{pattern}`" for pattern in unless)
    return text + (" *cross*" if rule.cross_province_only else "")


def _reasons(rule: Rule) -> list[str]:
    found = (reason for reason in reference.load().reasons.values() if reason.rule == rule.rule_id)
    return [f"{reason.code} ({reason.outcome})" for reason in found]
