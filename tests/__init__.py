"""Tests on the real parts."""

import gc
import os

# Tests start the database's processes by fork, and gRPC's own fork handlers crash in a child that only goes on to exec. gRPC reads this
# when it is imported.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
# What tests import and what is collected of them stays to the end: looked through for garbage while it grows, it takes half as long again.
gc.disable()
