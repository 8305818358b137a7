"""A run folder: its files, written atomically, with the key of their inputs. Knows nothing of the stages."""
