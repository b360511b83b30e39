"""The views: how late, what is parked, whether a rebuild found the same."""

from hub.commands.examinations import Examined, Scene, examination, fault, ok, warning
from hub.monitoring.vitals import read_views
from hub.projections import DECIDED_BY


@examination("视图滞后 lag of the views", needs_database=True)
def view_lag(scene: Scene) -> Examined:
    """They follow the journal, those that answers rest on closely."""
    limit_s = scene.config.max_lag_s
    late = {view.name: view.lag_s for view in read_views(scene.connection) if view.lag_s > limit_s}
    if not late:
        return ok(f"均在 {limit_s:g} 秒内 all within {limit_s:g} s")
    text = ", ".join(f"{name} {lag_s:.0f} s" for name, lag_s in late.items())
    if any(projection.name in late for projection in DECIDED_BY):
        return fault(text, "互认查询被拒：查看 hub project 是否运行。Questions are refused: see whether `hub project` runs")
    return warning(text, "查看 hub project 是否运行、是否跟得上。See whether `hub project` runs and keeps up")


@examination("搁置事件 parked events", needs_database=True)
def parked(scene: Scene) -> Examined:
    """No event was too much for a view."""
    found = {view.name: view.parked for view in read_views(scene.connection) if view.parked}
    if found:
        text = ", ".join(f"{name} {count:,}" for name, count in found.items())
        return warning(text, "看 views.parked 中的错误，修正投影后 hub rebuild。See the errors there, mend the projection, rebuild")
    return ok("无 none")


@examination("视图与重建 views and their rebuild", needs_database=True)
def verification(scene: Scene) -> Examined:
    """What was rebuilt last was equal to what is live."""
    views = read_views(scene.connection)
    if differing := [view.name for view in views if view.is_equal is False]:
        return fault(f"不同 differ: {', '.join(differing)}", "保留两者并查明；见 keep both and find out why; see hub rebuild")
    unseen = sum(view.is_equal is None for view in views)
    return ok(f"无不同 none differs，未比对 not compared yet: {unseen}")
