"""Statements between the provinces: how they are issued, read, checked again from the journal, acknowledged, disputed, paid and written."""
