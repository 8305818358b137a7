"""Videos to scene embeddings: the engines, what they do with each trailer, and how they go on after a loss."""
