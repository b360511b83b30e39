"""Libraries and venues: loans by item, readers by person over both networks, visits."""
