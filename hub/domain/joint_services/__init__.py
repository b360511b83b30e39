"""川渝通办: the catalogue of service items, as of any day since its first batch, and what a card holder can use of it. Pure."""
