"""ReconciliationService: totals of business days, how the books differ, and breaks."""
