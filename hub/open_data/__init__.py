"""Open data: figures of the reports for the joint meeting as a folder for anybody, with a catalogue, definitions and provenance."""
