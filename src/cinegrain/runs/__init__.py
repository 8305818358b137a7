"""A run folder: its files, written whole and stamped with what they were made from. It knows no stage."""
