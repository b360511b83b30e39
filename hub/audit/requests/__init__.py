"""Requests for audits: where they are asked for and decided, the process that runs them, and the files that come of them."""
