"""Scenarios: rules as policy officers write them, given / when / then, each run against the real parts.

`reading` reads the files, with the checks of `refusing`, and makes what `scenario` and `agreed` say a scenario is; `filling` makes
messages of it. `running` runs many and compares; `pure`, `on_postgres` and `over_grpc` are the three ways to run one. `page` (with
`words`) writes them out for people, `command` is `hub scenarios`.
"""
