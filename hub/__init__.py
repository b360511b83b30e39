"""The exchange hub between the social-security-card systems of Sichuan and Chongqing: one journal, folded into views, asked for answers.

Imports point one way, from the top of this list to its end; a contract in `pyproject.toml` holds it.

`cli` puts the parts together, one function a command. `demo` (with `demo_screen`, `demo_questions`) plays the whole main job, `bench`
measures it, and disturbs it (`bench.faults`); `stage` has the processes for both. `ask` asks one question as a participant would,
`scenarios` runs the rules that policy officers write as files. `config` is the only reader of the environment; `embedded` (with
`embedded_cluster`) starts and stops the embedded PostgreSQL; both are leaves.
`commands` has those with a file of their own, `database` opens the database for all of them.

`api` is the gRPC edge: its start and stop (`server`), who calls (`rpc`, `directory`, `certificates`) and how often (`quota`), one file a
service (`feed_service`, `card_service`, `subscription_service`, `hotlist_service`), how events are checked and packed on their way in
(`intake`, `shape`), how a question is read, decided and recorded (`request`, `card_reader`, `decider`) and explained (`explainer`), what
operators decide (`registry`, `agreement_desk`, `quarantine_desk`), whether it may be asked now (`readiness`, by `pulse`), and one table
from errors to statuses (`errors`).

`audit` says what was known at a position (`as_of`) and what other rules would have answered (`rule_versions`), and checks what must
always hold (`fsck`): no hole in the journal or in a feed, every view equal to its rebuild. `vitals` is one cheap reading of how the hub
is, `hole_watch` looks at what is newly committed, `vitals_publisher` publishes both. `backup` copies what cannot be made again,
`restore` loads it into an empty database: the one writer of a journal besides `journal` itself.

`processes` follow the journal from a checkpoint of their own and record what the hub decides about it: `losses` takes a loss from one
side's request to the issuer's answer.

`projections` are the views: each a table, the kinds it reads and two pure functions; `engine` runs them all live, `rebuild` folds one
anew beside the live one, compares and switches.

`journal` is the only code that writes the journal: `writer` and `group` commit batches in groups, `decisions` records the hub's own
answers, `recorder` keeps its aggregates, `reader` reads pages, `vault` and `keyring` hold what the journal may not.

`domain` is pure meaning, without I/O, clock or randomness: what a card is (`card`, from `card_facts`, by the tables of `card_machines` and
the policy of `card_policy`), whose it is (`person`), what contradicts what (`findings`), what an agreement covers and how it lives
(`agreement`, `agreement_history`, `agreement_rules`), what is answered (`acceptance`, by the `rules` about a `case`; `replaying` lets
another version of them be asked), who may be offline with which hotlist (`hotlist`), what makes an event a bad one (`event_rules`,
`identity`), how identifiers become keys (`pseudonym`) and are masked (`masking`), and the tables all of it goes by (`reference`).

The way of one event: an adapter translates and numbers it → `api.feed_service` → `api.intake` checks it and turns its identifiers into
keys → `journal.writer` commits it with all that waits → `projections.runner` folds it into the views → for a question, `api.decider`
reads them, `domain.acceptance` decides, `journal.decisions` records the decision, and only then is it answered → `audit.fsck` checks
all of it.
"""
