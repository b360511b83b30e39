"""Loads a file into a feed, such as a province's whole card stock, before the adapter of the feed begins.

event_file.py  a file of events: one a line, each at the number that its line gives it
card_table.py  a table of cards, CSV or Parquet; columns.py has its columns, and how a row becomes an event
checking.py    what is looked at before anything is sent
loading.py     streams it to the hub from where the feed is, and counts what came of it
counting.py    the cards of the file against those of the hub
steps.py       all of that in its order; command.py the command line
"""
