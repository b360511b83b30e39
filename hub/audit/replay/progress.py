"""How far a replay is: reported to who waits for it, who may also stop it there."""

from typing import Protocol

from hub.domain.errors import HubError


class Cancelled(HubError):
    """重放已取消；可再次申请 the replay was cancelled; ask for it again."""


class Progress(Protocol):
    """Takes how much of a replay is done; raises Cancelled where somebody has cancelled it."""

    def __call__(self, done: int, of: int) -> None:
        """*done* of *of*, in whatever the replay counts."""


def unseen(done: int, of: int) -> None:
    """Shows nothing and never cancels."""
