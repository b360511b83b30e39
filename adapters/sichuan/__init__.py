"""The Sichuan side: HTTPS with JSON, SM2 signatures, SM4 data and the ministry's codes, towards the hub as events.

command.py     province-adapter sichuan: puts the parts together and serves
gateway.py     one message in, its facts durable, one signed reply out
envelope.py    signature and encryption, both ways        keys.py    the four key files
nonce_window.py  a message number is taken once           replies.py the native codes
translate.py   which message is which events: lifecycle.py, usage.py with usage_kinds/, fund.py
fields.py      reads single values                        subjects.py card, person, place, medium
standing.py    2001, 2002 or 2003 from the card's standing at the hub
query.py       SBK1001, which is answered and never recorded here
"""
