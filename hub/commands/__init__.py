"""The commands that have a file of their own, one a subject; `hub.cli` gives each its name."""
