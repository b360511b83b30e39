"""Keys and certificates: who can read them, whose they are, how long they last."""

import stat
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from hub.admin.certificate_expiry import certificate_days
from hub.commands.examinations import Examined, Scene, examination, fault, ok, warning
from hub.postgres.cluster import path_of
from hub.trust.authority import files_of
from hub.trust.certificates import is_issued_by_any, own_authorities, read_certificates
from hub.trust.keyring import Keyring

SOON_DAYS = 30


@examination("密钥文件权限 modes of key files")
def key_modes(scene: Scene) -> Examined:
    """No key file can be read by others."""
    keys = [
        key for folder in (scene.config.keys_dir, scene.config.certificates_dir) if folder.exists() for key in sorted(folder.glob("*.key"))
    ]
    keys = [key for key in keys if key.exists()]
    exposed = [key for key in keys if stat.S_IMODE(key.stat().st_mode) & 0o077]
    if exposed:
        return fault(f"他人可读 can be read by others: {', '.join(map(str, exposed))}", f"chmod 600 {' '.join(map(str, exposed))}")
    return ok(f"{len(keys)} 个文件均为 0600 files, all 0600")


@examination("密钥与数据库分开 keys apart from the database")
def keys_apart(scene: Scene) -> Examined:
    """Who takes the disk of one does not have the other."""
    config, cluster = scene.config, path_of(scene.config.data_dir)
    authority = config.certificates_dir / "ca.key"
    if not config.dsn and config.keys_dir.exists() and cluster.exists() and config.keys_dir.stat().st_dev == cluster.stat().st_dev:
        return warning(
            f"{config.keys_dir} 与数据库在同一卷 lies on the volume of the database",
            "生产环境：HUB_KEYS_DIR 指向另一卷。In production let HUB_KEYS_DIR name another volume",
        )
    if config.dsn and authority.exists() and not authority.is_symlink():
        return warning(
            f"{authority} 与运行中的枢纽放在一起 lies beside a hub in production",
            "移到别处，需要签发时再以符号链接指向它。Move it away, and link to it when something is to be issued",
        )
    return ok("是 yes")


@examination("假名密钥 pseudonym key", needs_database=True)
def pseudonym_key(scene: Scene) -> Examined:
    """The key is the one this journal was written with."""
    key = scene.config.keys_dir / "pseudonym.key"
    row = scene.connection.execute("SELECT fingerprint FROM vault.key_fingerprint WHERE purpose = 'pseudonym'").fetchone()
    if row is None:
        return ok("数据库尚无指纹：首次启动写入 no fingerprint yet: the first start leaves it")
    if not key.exists():
        return fault(
            f"{key} 不存在 is missing", "从备份恢复 keys 目录；切勿新建。Restore the keys folder from its backup; never make a new one"
        )
    if Keyring(key.read_bytes(), b"", {}).fingerprint != bytes(row[0]):
        return fault("不是此数据库的密钥 not the key of this database", "从备份恢复 keys 目录。Restore the keys folder from its backup")
    return ok("与数据库指纹一致 matches the database's fingerprint")


@examination("枢纽证书 the hub's certificate")
def server_certificate(scene: Scene) -> Examined:
    """Certificate, key and authority belong together."""
    directory = scene.config.certificates_dir
    files = files_of(directory, "server")
    if not files.certificate.exists():
        return warning(f"{files.certificate} 不存在 is missing", "首次 hub serve 会签发。The first `hub serve` issues it")
    if not (found := read_certificates(files.certificate)):
        return fault(
            f"{files.certificate} 不是证书 is no certificate", "删除后由 hub serve 重新签发。Remove it; `hub serve` issues another"
        )
    certificate = found[0]
    key = load_pem_private_key(files.key.read_bytes(), None)
    if key.public_key() != certificate.public_key():
        return fault("私钥与证书不符 key and certificate do not belong together", f"替换成对文件 put a matching pair into {directory}")
    if not is_issued_by_any(certificate, own_authorities(directory)):
        return fault("不是 ca.crt 所签 not issued by ca.crt", f"放入签发它的 CA。Put its authority into {directory}/ca.crt")
    now = datetime.now(UTC)
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc:
        return fault(
            f"不在有效期 not valid now: {_span(certificate)}",
            "删除后由 hub serve 重新签发；或检查时钟。Remove it and start again; or mend the clock",
        )
    return ok(f"{_span(certificate)}，{', '.join(_hosts(certificate))}")


@examination("证书期限 certificate expiry", needs_database=True)
def certificate_expiry(scene: Scene) -> Examined:
    """None of the certificates ends soon."""
    days = certificate_days(scene.dsn, scene.config.certificates_dir)
    if not days:
        return ok("尚无证书 none yet")
    soon = {name: left for name, left in days.items() if left < SOON_DAYS}
    text = ", ".join(f"{name} {left:.0f} 天 d" for name, left in sorted((soon or days).items(), key=lambda item: item[1])[:5])
    if not soon:
        return ok(text)
    level = fault if min(soon.values()) <= 0 else warning
    return level(text, "hub participants rotate NAME；枢纽证书自行续签。The hub's own renews itself")


def _span(certificate: x509.Certificate) -> str:
    return f"{certificate.not_valid_before_utc:%Y-%m-%d} – {certificate.not_valid_after_utc:%Y-%m-%d}"


def _hosts(certificate: x509.Certificate) -> list[str]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))]
