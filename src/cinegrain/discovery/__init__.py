"""Discovery: trailer embeddings and words go in, named sub-genres come out. It knows no video and no network."""
