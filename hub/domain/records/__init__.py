"""What the hub recorded of the conditions that service points claim: which facts count, whose registers are complete, and who wins."""
