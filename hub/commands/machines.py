"""`hub machines`: the parts of docs/cards.md that follow from tables: machines as state diagrams, policy parameters, finding codes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from hub.commands.pages.blocks import renewed, table
from hub.domain.card_machines import BACK, LIVES, MIRRORED, SAME, SOCIAL, Life
from hub.domain.card_policy import PARAMETERS
from hub.domain.findings import MEANINGS
from hub.domain.reference import Reference, load
from hub.words.seen import STATES

PAGE = Path(__file__).parent.parent.parent / "docs" / "cards.md"
NAMES = {state: zh for state, (zh, _) in STATES.items()}
_PSEUDO = {"any_state": "任何状态 any state", "where_it_was": "原来的状态 where it was"}


def machines(
    write_docs: Annotated[bool, typer.Option("--write-docs", help="重写 docs/cards.md 中由表生成的部分。Renew what tables make.")] = False,
) -> None:
    """显示卡的五种状态机。Show the five machines of a card as state diagrams (Mermaid), or renew docs/cards.md."""
    if write_docs:
        PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), load()), encoding="utf-8")
        return
    for life in LIVES:
        typer.echo(f"{life.name}\n{_diagram(life)}\n")


def page(text: str, reference: Reference) -> str:
    """Returns the page with every generated block as the tables have it now; an unknown block raises KeyError."""
    blocks = {
        **{life.name: _diagram(life) for life in LIVES},
        "mirrored": _mirrored(),
        "policy": _policy(reference),
        "findings": _findings(),
    }
    return renewed(text, blocks)


def _diagram(life: Life) -> str:
    """Draws a machine in Mermaid: an arrow for each pair of states, with every fact that leads from one to the other."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for source, target, fact in _arrows(life):
        arrows.setdefault((source, target), []).append(fact)
    states = dict.fromkeys(state for pair in arrows for state in pair if state != "[*]")
    lines = ["```mermaid", "stateDiagram-v2"]
    lines += [f'    state "{_PSEUDO.get(state) or f"{NAMES[state]} {state}"}" as {state}' for state in states]
    lines += [f"    {source} --> {target}: {', '.join(facts)}" for (source, target), facts in arrows.items()]
    return "\n".join([*lines, "```"])


def _arrows(life: Life) -> Iterator[tuple[str, str, str]]:
    yield "[*]", life.initial or "APPLIED", "L1 card_applied" if life is SOCIAL else "–"
    for name, step in life.steps.items():
        fact = f"{step.row} {name}".strip()
        for source in sorted(step.sources) or ["any_state"]:
            yield source, {BACK: "where_it_was", SAME: source}.get(step.target, step.target), fact


def _mirrored() -> str:
    rows = ((f"{NAMES[state]} {state}", f"{NAMES[ecard]} {ecard}") for state, ecard in MIRRORED.items())
    return table(("实体卡 plastic card", "电子社保卡 e-card, once signed"), rows)


def _policy(reference: Reference) -> str:
    def rows() -> Iterator[tuple[str, ...]]:
        for field, parameter in PARAMETERS.items():
            for province in ("51", "50"):
                for row in reference.policies.get((parameter, province), ()):
                    until = row.valid_to.isoformat() if row.valid_to else ""
                    yield f"`{parameter}`", f"`{field}`", province, row.value, row.valid_from.isoformat(), until, row.evidence

    return table(("参数 parameter", "字段 field", "省 province", "值 value", "起 from", "止 until", "依据 evidence"), rows())


def _findings() -> str:
    rows = ((f"`{code}`", m.text_zh, m.text_en, "提示 note" if m.is_note else "发现 finding") for code, m in MEANINGS.items())
    return table(("代码 code", "含义", "meaning", "类别 class"), rows)
