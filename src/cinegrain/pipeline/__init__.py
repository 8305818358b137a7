"""The verbs: each stage reads the artifact before it, joins rooms, and leaves its own artifact in the run folder."""
