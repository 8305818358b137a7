"""Trainable networks: padded scene vectors and masks go in, logits and embeddings come out."""
