"""Medical use: filings 备案 by person, and chains of settlements to the fen."""
