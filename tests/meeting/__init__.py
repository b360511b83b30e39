"""Reports for the joint meeting, and open data."""
