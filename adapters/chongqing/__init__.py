"""The Chongqing side: a card service that speaks pseudo-XML (B1) and daily usage files of fixed width (B2).

B1, one call, feed `cq.card-center`:

    service.py → card_desk.py        read → ask the hub for the card's standing → append → answer
    pseudo_xml.py                    the bytes, both ways
    translate_call.py                the envelope of the events; call_kinds.py what each operation says happened
    call_fields.py, standing.py      reading one field; what the caller learns of the standing

B2, one file, feed `cq.usage`:

    kit/inbox.py → usage_intake.py   claim → prove the whole → translate line by line → acknowledge
    usage_file.py, usage_record.py   the file and its 188-byte records, both ways; kit/ack_file.py the answer
    usage_rules.py                   which lines can be meant, and which fact a line is
    translate_usage.py               the events
    ledger.py                        what was sent before, so that corrections and reversals find what they change

Both: references.py (places, cards, people, instants), errors.py (native codes), command.py (put together).
"""
