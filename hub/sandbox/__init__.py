"""A hub to make mistakes on: throw-away data, a partner that answers, faults on demand, and a page that says what was wrong with what came.

world.py      the database, its template, the edges: begun, reset, disturbed
front.py      what clients connect to: passes every call on to an edge, records it, and breaks it where it is to be broken
recording.py  what went over the wire
faults.py     what can be broken, and how often
partner.py    the other province: cards, losses confirmed, totals
stages.py     what was wrong with an event, every stage at once, in words
page.py       the page of the sandbox, and what its commands ask
running.py    puts the parts together
"""
