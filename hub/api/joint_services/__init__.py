"""ServiceItemService and CaseService: the catalogue of 川渝通办, what a card holder can use of it, and the cases of both sides."""
