"""What every process of a stage has before it is forked: its modules, and what it reads once for good."""

import gc

import typer

import hub.commands.edge
import hub.commands.projector
import hub.commands.serving  # noqa: F401 (they are imported here so that no process has to)
from hub.cli import app
from hub.domain import reference
from hub.domain.acceptance import rules_digest
from hub.intake.rule_faults import validator

reference.load()
rules_digest()
validator()
# How a command reads its words is imported with the first one that is read.
typer.main.get_command(app).make_context("hub", ["serve"])
# It stays in every process, shared with the one that is forked as long as the collector does not look at it.
gc.freeze()
gc.enable()
