"""What a report says of the request that it answers: its code, what for, on what basis, who asked, and who approved."""

from hub.audit.outcome import Line, Text, seen
from hub.domain.aggregate import Step
from hub.domain.audit_request import AuditRequest
from hub.domain.instants import in_local, microseconds_of
from hub.words.audits import SAME_LOGIN

_WHO = {
    "audit_requested": Text("申请", "Asked"),
    "audit_approved": Text("核准", "Approved"),
}


def lines_about(audit: AuditRequest) -> tuple[Line, ...]:
    """Returns the lines of a request that is carried out."""
    asked = audit.requested
    lines = [
        Line(Text("审计编号", "Audit"), Text(audit.code, audit.code)),
        Line(Text("目的", "Purpose"), Text(*2 * (seen(asked.purpose),))),
        Line(Text("法律依据", "Legal basis"), Text(*2 * (seen(asked.legal_basis),))),
        *(Line(_WHO[step.kind], _who(step)) for step in audit.steps if step.kind in _WHO),
    ]
    if audit.is_same_login:
        lines.append(Line(Text("注意", "Note"), Text(*SAME_LOGIN)))
    return tuple(lines)


def _who(step: Step) -> Text:
    person, at = step.message.by, in_local(microseconds_of(step.at)).strftime("%Y-%m-%d %H:%M:%S")
    if person.login in ("", person.name):
        return Text(f"{person.name}，{at}", f"{person.name}, {at}")
    return Text(f"{person.name}（登录 {person.login}），{at}", f"{person.name} (login {person.login}), {at}")
