"""What is refused of reports for the joint meeting. As in `hub.domain.errors`, the docstring is the message."""

from hub.domain.errors import HubError


class MeetingReportUnknown(HubError):
    """There is no such report for the joint meeting; see `hub meeting list`."""


class PeriodUnfit(HubError):
    """不是期间：请写年、半年、季或月 This is no period; write such as 2026, 2026-H1, 2026-Q1 or 2026-03."""


class PeriodNotBegun(HubError):
    """该期间在所知的最新业务日之后才开始 The period begins after the newest known business day; ask for an earlier one."""


class KnownBeforeTheLast(HubError):
    """上一份报告所知的位置更晚：请给同一或更晚的位置 The report before it knew more; give its position or a later one with --as-known."""


class ReportOfAnotherRelease(HubError):
    """报告由另一版本制作：内容不变，但本版本不能按记录重做 Another release made the report: it stays, and this one cannot make it again."""
