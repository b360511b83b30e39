"""The sections about calls: each service with its methods, the refusals, and the reasons of acceptance answers."""

from collections.abc import Iterator

from chuanyu.exchange.v1 import acceptance_pb2
from google.protobuf import descriptor_pb2

from hub.api.edge.statuses import CODES, DOMAIN
from hub.commands.pages.contract import OF_EVERY_CALL, PACKAGE, comments, method_text, reason_text, reasons, services
from hub.commands.pages.protocol import callers, given_by
from hub.commands.pages.reference import chinese, examples, markup
from hub.commands.roles_page import MEANINGS
from hub.domain import reference
from hub.domain.role_table import TELLING, role_table
from hub.words.kinds import OUTCOME_WORDS
from hub.words.methods import METHODS
from hub.words.refusals import CHINESE

_SHAPES = {
    (False, False): "一问一答 unary",
    (False, True): "一问，以流作答 server stream",
    (True, True): "双向流 bidirectional stream",
}


def service_sections() -> Iterator[str]:
    """Yields a section for each service and, below it, for each of its methods."""
    for service in services():
        yield markup.heading(3, service.name, chinese.SERVICES[service.name], service.name)
        yield markup.paragraph(comments()[f"{PACKAGE}.{service.name}"])
        for method in service.method:
            yield from _method(service, method)


def refusal_section() -> Iterator[str]:
    """Yields what a refusal looks like, and every error reason."""
    yield markup.paragraph(
        f"被拒的调用带一个 google.rpc.Status，其中有一个 ErrorInfo（domain 为 {DOMAIN}），至多再有一项。A refused call carries one "
        f"google.rpc.Status with an ErrorInfo of domain {DOMAIN} and at most one further detail."
    )
    for reason, status in examples.refusals().items():
        yield markup.example(f"被拒示例 A refusal: {reason}", examples.as_json(status))
    yield markup.table(
        ("原因 reason", "gRPC code", "何时 when", "附带 details", "由 given by"),
        (
            (
                markup.code(reason, f"ErrorReason.{reason}"),
                reason_text(reason).code,
                f'<span lang="zh-CN">{_chinese(reason)}</span><br>{markup.plain(reason_text(reason).when)}',
                markup.plain(reason_text(reason).details),
                markup.plain(given_by(reason).replace("`", "")),
            )
            for reason in reasons()
        ),
    )


def acceptance_section() -> Iterator[str]:
    """Yields the outcomes of an acceptance question, and every reason that gives each."""
    for name in list(acceptance_pb2.AcceptanceOutcome.keys())[1:]:
        outcome = name.removeprefix("ACCEPTANCE_OUTCOME_")
        yield markup.heading(3, f"outcome.{outcome}", OUTCOME_WORDS[outcome][0], outcome)
        yield markup.paragraph(comments()[f"{PACKAGE}.AcceptanceOutcome.{name}"])
        yield markup.table(
            ("理由 reason", "规则 rule", "含义 meaning", "建议 advice"),
            (
                (
                    markup.code(one.code, f"reason.{one.code}"),
                    one.rule,
                    _both(one.text_zh, one.text_en),
                    _both(one.advice_zh, one.advice_en),
                )
                for one in reference.load().reasons.values()
                if one.outcome == outcome
            ),
        )


def _method(service: descriptor_pb2.ServiceDescriptorProto, method: descriptor_pb2.MethodDescriptorProto) -> Iterator[str]:
    text = method_text(f"{PACKAGE}.{service.name}.{method.name}")
    yield markup.heading(4, f"{service.name}.{method.name}", METHODS[method.name], method.name)
    yield markup.paragraph(text.what)
    facts = {
        "路径 path": markup.code(f"/{PACKAGE}.{service.name}/{method.name}"),
        "方式 shape": _SHAPES[method.client_streaming, method.server_streaming],
        "请求 request": _message_link(method.input_type),
        "答复 response": _message_link(method.output_type),
        "角色 roles": _roles(service.name, method.name),
        "重发 resend": _resend(method),
    }
    yield markup.table((), ((markup.plain(name), value) for name, value in facts.items()))
    rows = [(code, ", ".join(markup.link(f"ErrorReason.{reason}", reason) for reason in found)) for code, found in text.codes.items()]
    every = ", ".join(markup.link(f"ErrorReason.{reason}", reason) for reason in OF_EVERY_CALL)
    yield markup.table(("gRPC code", "原因 error reasons"), [*rows, ("每次调用 every call", every)])
    example = examples.of_method(method.name)
    yield markup.example(f"请求示例 Example of a request: {example.request.DESCRIPTOR.name}", examples.as_json(example.request))
    yield markup.example(f"答复示例 Example of an answer: {example.response.DESCRIPTOR.name}", examples.as_json(example.response))


def _roles(service: str, method: str) -> str:
    full_name = f"{PACKAGE}.{service}/{method}"
    needed = role_table().calls[full_name].roles
    if not needed or needed == TELLING:
        return ("任何参与方 " if not needed else "READER 以外的任何角色 ") + callers(full_name)
    return "<br>".join(f"{markup.link(f'role.{role}', role)} {MEANINGS[role][0]}" for role in needed)


def _resend(method: descriptor_pb2.MethodDescriptorProto) -> str:
    level = descriptor_pb2.MethodOptions.IdempotencyLevel.Name(method.options.idempotency_level)
    return {
        "NO_SIDE_EFFECTS": "可任意重发 may be sent again at any time",
        "IDEMPOTENT": "相同内容可重发 may be sent again with the same content",
        "IDEMPOTENCY_UNKNOWN": "每条消息可重发 each message may be sent again with the same content",
    }[level]


def _message_link(type_name: str) -> str:
    name = type_name.removeprefix(f".{PACKAGE}.")
    return markup.link(name, name)


def _chinese(reason: str) -> str:
    if reason == "INTERNAL":
        return "枢纽自身的故障；请把 trace_id 告知运维人员。"
    return markup.plain(next(CHINESE[kind.__name__] for kind, (_, name) in CODES.items() if name == reason))


def _both(zh: str, en: str) -> str:
    return f'<span lang="zh-CN">{markup.plain(zh)}</span><br>{markup.plain(en)}' if zh else ""
