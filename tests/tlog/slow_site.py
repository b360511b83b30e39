"""A server that sends what a test says, as slowly as it says."""

import contextlib
import socket
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def sends(*parts: bytes, every_s: float, is_endless: bool = True) -> Iterator[str]:
    """Yields the address of a server that sends parts with a pause behind each, and then the last one again and again."""
    listening, is_over = socket.create_server(("127.0.0.1", 0)), threading.Event()

    def serve() -> None:
        with contextlib.suppress(OSError):
            taken, _ = listening.accept()
            with taken:
                # What is not read when a connection is closed would reset it.
                taken.recv(1 << 16)
                for part in (*parts, *[parts[-1]] * (1_000 if is_endless else 0)):
                    taken.sendall(part)
                    if is_over.wait(every_s):
                        return

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"
    finally:
        is_over.set()
        listening.close()
        thread.join()
