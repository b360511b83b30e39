"""Loads a file of events into a feed, such as a province's whole card stock, before the adapter of the feed begins.

event_file.py  the file: an event a line, each at the number that its line gives it
loading.py     streams it to the hub from where the feed is, and counts what came of it
command.py     the command line
"""
