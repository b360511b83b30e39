"""The only code that writes the journal; also its reader, the vault and the migrations."""
