"""The command line of the adapters: one command a province, each defined in its own package."""

import os

import typer

# Before gRPC is loaded: its core writes lines of a form of its own to stderr, past the log, which says the same with the feed's state.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

from adapters.bank.command import bank
from adapters.chongqing.command import chongqing
from adapters.conformance.command import conformance
from adapters.load.command import load
from adapters.receipts.command import audit, receipts, signing_key
from adapters.sichuan.command import sichuan
from adapters.sichuan.keys_command import keys
from adapters.simulator.command import simulation
from adapters.terminal import show_whole_helps, write_what_can_be_shown

show_whole_helps()
app = typer.Typer(
    help="川渝社保卡交换枢纽适配器。Adapters between the provinces' card systems and the exchange hub.",
    no_args_is_help=True,
)
app.command()(sichuan)
app.command()(chongqing)
app.command()(bank)
app.command()(keys)
app.command("simulate")(simulation)
app.command()(load)
app.command()(conformance)
app.command()(audit)
app.command("signing-key")(signing_key)
app.add_typer(receipts, name="receipts")


def main() -> None:
    """Runs the command line; what the terminal's encoding lacks is replaced."""
    write_what_can_be_shown()
    app()
