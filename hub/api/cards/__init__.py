"""CardService: questions are decided, recorded, answered."""
