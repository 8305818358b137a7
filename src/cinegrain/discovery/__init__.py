"""Discovery: trailer embeddings go in; clusters, and how far to trust them, come out. Knows nothing of concepts."""
