"""HotlistService: the offline hotlist goes out."""
