"""SettlementService: statements between the provinces."""
