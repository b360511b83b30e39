"""Backup and restore of journal and vault."""
