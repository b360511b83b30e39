"""What a province does with the hub's receipts: list, export, verify them, and compare them with the log."""
