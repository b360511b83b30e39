"""Funds paid into cards 资金发放: the rows of a batch with their attempts, and what a batch comes to, to the fen."""
