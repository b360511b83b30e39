"""Findings of unusual use: rules as data, what a rule finds among the uses of a card, and a finding from its rise to its decision."""
