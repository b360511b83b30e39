"""A statement as files: CSV for people and programs, and XML after ISO 20022 camt.054 (debit and credit notification) for accounting."""

import csv
import io
from xml.etree import ElementTree as Xml

from hub.domain.settlement.lines import net_fen
from hub.domain.settlement.statement import Statement

_NAMESPACE = "urn:iso:std:iso:20022:tech:xsd:camt.054.001.08"
COLUMNS = (
    "line", "business_day", "issuer_province", "service_region", "scenario", "uses", "amount_fen", "payer_province",
)  # fmt: skip


def as_csv(statement: Statement) -> str:
    """Returns the lines as CSV with a header; money in fen, without separators."""
    out = io.StringIO()
    rows = csv.writer(out, lineterminator="\n")
    rows.writerow(COLUMNS)
    for number, one in enumerate(statement.issued.lines, 1):
        cells = (one.business_day, one.issuer_province, one.service_region, one.scenario, one.uses, one.amount_fen, one.payer_province)
        rows.writerow((number, *cells))
    return out.getvalue()


def yuan(fen: int) -> str:
    """Returns fen as yuan with two places, computed in whole numbers."""
    return f"{'-' if fen < 0 else ''}{abs(fen) // 100}.{abs(fen) % 100:02d}"


def as_camt054(statement: Statement, side: str) -> str:
    """Returns the statement as one side books it: an entry for each line, debit where the side owes it, credit where it is owed it.

    It has the elements of camt.054.001.08 that say what is owed; accounts and agents, which the hub does not know, are left out, so it is
    not checked by that schema. A memo has no entries.
    """
    issued = statement.issued
    root = Xml.Element("Document", xmlns=_NAMESPACE)
    note = _child(root, "BkToCstmrDbtCdtNtfctn")
    head = _child(note, "GrpHdr")
    _child(head, "MsgId", issued.statement_code)
    _child(head, "CreDtTm", issued.cut_at.ToJsonString())
    body = _child(note, "Ntfctn")
    _child(body, "Id", f"{issued.statement_code}-{side}")
    _child(body, "ElctrncSeqNb", issued.statement_code.rpartition("-")[2])
    summary = _child(_child(body, "TxsSummry"), "TtlNtries")
    payable = [] if statement.is_memo else [(number, one) for number, one in enumerate(issued.lines, 1) if one.amount_fen]
    _child(summary, "NbOfNtries", str(len(payable)))
    net = 0 if statement.is_memo else -net_fen(issued, side)
    _child(summary, "TtlNetNtry", yuan(abs(net)))
    _child(summary, "CdtDbtInd", "CRDT" if net >= 0 else "DBIT")
    for number, one in payable:
        entry = _child(body, "Ntry")
        _child(entry, "NtryRef", f"{issued.statement_code}/{number}")
        _child(entry, "Amt", yuan(abs(one.amount_fen))).set("Ccy", "CNY")
        owes = (one.payer_province == side) == (one.amount_fen > 0)
        _child(entry, "CdtDbtInd", "DBIT" if owes else "CRDT")
        _child(entry, "RvslInd", "true" if one.amount_fen < 0 else "false")
        _child(_child(entry, "BookgDt"), "Dt", issued.business_day)
        _child(_child(entry, "ValDt"), "Dt", one.business_day)
        _child(entry, "AddtlNtryInf", f"{one.scenario} {one.issuer_province} {one.service_region} {one.uses}")
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _child(parent: Xml.Element, name: str, text: str = "") -> Xml.Element:
    child = Xml.SubElement(parent, name)
    child.text = text or None
    return child
