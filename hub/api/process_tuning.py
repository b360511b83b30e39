"""How the interpreter is set for a process that serves."""

import gc
import sys


def collect_seldom() -> None:
    """Has the garbage collector come seldom; else it takes a fifth of a start, in which hardly anything that is made is garbage."""
    gc.set_threshold(50_000, 20, 20)


def tune_process() -> None:
    """Sets the turns of threads and the garbage collector, once everything is loaded."""
    # Two busy threads and the event loop share the interpreter: the default 5 ms switch would show in every answer.
    sys.setswitchinterval(0.0005)
    # What is loaded by now stays: the collector need not look at it again and again while messages come and go.
    gc.freeze()
    collect_seldom()
