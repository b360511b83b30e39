"""ConsumptionService: coupons, those of a person with their points, and what a funder owes."""
