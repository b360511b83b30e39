"""MedicalService: filings of a person, chains of settlements, medical uses for the insured side."""
