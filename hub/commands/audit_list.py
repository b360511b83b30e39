"""The commands of audits: why an answer is what it is, what was known and answered, what other rules would have answered."""

from hub.commands.lazy import Entry

POLICY = "政策与审计 Policy and audit"
AUDITING = (
    Entry(
        "explain",
        "hub.commands.explain:explain",
        POLICY,
        "解释一条已记录的答复：每条规则看到了什么、得出什么。Explain a recorded answer: what every rule saw and concluded.",
    ),
    Entry(
        "asof",
        "hub.commands.asof:app",
        POLICY,
        "按两种时间查询：当时所知、当时答复。As of both times: what was known and answered.",
    ),
    Entry(
        "whatif",
        "hub.commands.whatif:whatif",
        POLICY,
        "假如：一段时间的答复按其他规则、参数、约定或参照表会如何。What other rules, parameters, agreements or tables would have answered.",
    ),
    Entry(
        "replay",
        "hub.commands.replay:app",
        POLICY,
        "重放：答复重新裁决、视图重新折叠，与现有比对。Replay: answers decided again, views folded again, and compared.",
    ),
)
