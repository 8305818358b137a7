"""Groups in data: trailer embeddings go in, clusters and how far to trust them come out. It knows no words."""
