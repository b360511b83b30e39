"""How the outcome of a replay is printed: the question, the answer in one sentence, tables, the timeline, what was verified."""

import typer

from hub.audit.outcome import Bars, Outcome, Text, as_json
from hub.audit.outcome import Table as OutcomeTable
from hub.commands.wording import folded, local, screen, table, whole

MOST_LINES = 200


def print_outcome(outcome: Outcome, *, in_json: bool, with_timeline: bool = True) -> None:
    """Prints an outcome, or writes it as one line of JSON."""
    if in_json:
        typer.echo(as_json(outcome).decode().strip())
        return
    typer.echo(_both(outcome.question))
    mark = {True: "✓ ", False: "✗ ", None: ""}[outcome.holds]
    typer.echo(f"{mark}{outcome.answer.zh}\n{mark}{outcome.answer.en}")
    for line in outcome.about:
        typer.echo(f"  {_both(line.label)}: {_both(line.said)}")
    for shown in outcome.tables:
        _print_table(shown)
    for figure in outcome.figures:
        _print_bars(figure)
    if with_timeline and outcome.timeline:
        _print_timeline(outcome)
    for text in (*outcome.verified, *outcome.limits):
        typer.echo(f"– {_both(text)}")


def _both(text: Text) -> str:
    return text.zh if text.zh == text.en else f"{text.zh} {text.en}"


def _cell(value: str | int | Text) -> str:
    return _both(value) if isinstance(value, Text) else f"{value:,}" if isinstance(value, int) else value


def _print_table(shown: OutcomeTable) -> None:
    drawn = table(*(folded(f"{column.zh}\n{column.en}") for column in shown.columns))
    for row in shown.rows[:MOST_LINES]:
        drawn.add_row(*map(_cell, row))
    typer.echo(_both(shown.title))
    screen().print(drawn)
    if len(shown.rows) > MOST_LINES:
        typer.echo(f"另有 and {len(shown.rows) - MOST_LINES:,} more（--json）")


def _print_bars(figure: Bars) -> None:
    drawn = table(folded(_both(figure.title)), whole("数 Count"))
    for label, count in figure.bars:
        drawn.add_row(_both(label), "不显示 not shown" if count is None else f"{count:,}")
    screen().print(drawn)


def _print_timeline(outcome: Outcome) -> None:
    drawn = table(whole("位置\nposition"), whole("入账\nrecorded"), whole("发生\nvalid"), folded("事件\nevent"))
    for moment in outcome.timeline[-MOST_LINES:]:
        drawn.add_row(f"{moment.position:,}", local(moment.recorded_us), local(moment.valid_us), _both(moment.said))
    screen().print(drawn)
