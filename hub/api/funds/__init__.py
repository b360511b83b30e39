"""FundService: batches of payments into cards."""
