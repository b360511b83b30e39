"""The kinds of tampering with what an audit handed over: the files in its bundle are not those whose digests are recorded."""

from hub.audit.bundle_question import Question
from hub.bench.tampering.audits import CODE
from hub.bench.tampering.bundles import bundle_of, repacked, trusted, unpacked
from hub.bench.tampering.kinds import Attack


def report_changed_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Changes one byte of the report of an audit, which is a PDF."""
    return _file_changed(attack, "audit/report.pdf")


def outcome_changed_in_a_bundle(attack: Attack) -> tuple[bytes, bytes | None]:
    """Changes one byte of the outcome of an audit."""
    return _file_changed(attack, "audit/outcome.json")


def _file_changed(attack: Attack, name: str) -> tuple[bytes, bytes | None]:
    members = unpacked(bundle_of(attack, Question("audit", audit=CODE)))
    data = bytearray(members[name])
    data[attack.chance.randrange(len(data))] ^= attack.chance.randrange(1, 256)
    return repacked({**members, name: bytes(data)}), trusted(attack)
