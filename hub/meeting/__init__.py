"""Reports for the joint meeting: what indicators came to for a period, frozen, and made into files that are the same each time."""
