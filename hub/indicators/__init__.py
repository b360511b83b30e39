"""Indicators K1 to K20: what each counts, as of a business day and as known at a position; and reports that are frozen."""
