"""Tests of hub.indicators."""
