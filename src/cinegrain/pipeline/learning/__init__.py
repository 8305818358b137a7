"""The genre model of a run: trained, measured, compared with and without each mode."""
