"""ServiceItemService: the catalogue of 川渝通办, and what a card holder can use of it."""
