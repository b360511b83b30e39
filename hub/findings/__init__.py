"""Findings of unusual use: the process that raises them, the desk where people decide about them, and rules tried out on past days."""
