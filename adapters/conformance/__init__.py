"""The client kit as a client under test: does what a trial of `hub conformance` asks for, with the parts that every adapter is made of.

`province-adapter conformance` is its command. What a trial gives a client, and what a client answers, is in docs/conformance.md.
"""
