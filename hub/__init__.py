"""The exchange hub between the social-security-card systems of Sichuan and Chongqing. README has the way of one event.

Imports point one way, from the top of this list to its end; `pyproject.toml` has the contract.

cli          names the commands
commands     the commands, one file a group
conformance  judges a client by what it did on the wire and what the journal holds
sandbox      a hub to make mistakes on: a recording front, faults on demand, a partner, a page
demo         the live demo: both provinces, a whole hub, one screen
bench        measures the hub against the raw limit, and disturbs it
scenarios    runs the rules that policy staff write as files
stage        the processes of demo, bench and scenarios
console      the web page: one file of view code and one template a page, above the services
api          the gRPC edge: what every call meets, then one folder a service
backup       copies what cannot be made again, and restores it into an empty database
monitoring   readings of the hub's health, for readiness, status and metrics
admin        what operators decide: participants, agreements, quarantine, erasure, hotlist
audit        checks what must always be true, and says what was known at a position
processes    what the hub decides by itself about the journal
lanes        folds views from segments in several processes
intake       checks the events of a batch and packs them
projections  the views: folds of the journal
export       the journal as Parquet segments: written, read, compared
journal      the only code that writes the journal
trust        keys and certificates
domain       pure meaning, without I/O, clock or randomness

These import none of the others: `config` (the only reader of the environment), `telemetry`, `postgres` (the embedded server), `child` and
`lifeline` (processes that end with their parent), `durable` (files that are whole or not there), `loopback`, `words` (what codes are
called).
"""
