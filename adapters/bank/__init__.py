"""An agent bank: return files of payments into cards (format C), one file a batch and day.

    BK_{bank}_{batch}_{yyyymmdd}.csv     GB18030, fields separated by |, lines ended by CRLF or LF
    H|bank|batch|rows|sum                what the file has, in yuan with two places
    row|account|name|amount|result|reason|serial|yyyyMMddHHmmss
    T|paid rows|paid sum|failed rows|failed sum

*result* is S with reason 00 for a row that was paid, and F with the reason for one that came back. A payment that comes back later is in
a later file, under the serial that paid it. A file of the same name is a later sending: its lines may correct those before and add to them.

    kit/inbox.py → intake.py     claim → prove the whole → translate line by line → acknowledge
    return_file.py               the file, both ways
    translate.py                 the events
    ledger.py                    what was sent before, so that a later sending finds what it corrects

errors.py has the codes, command.py puts the parts together. The acknowledgement is `BK_…_ACK`, as `kit/ack_file.py` describes it.
"""
