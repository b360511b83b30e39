"""The web page of the hub."""
