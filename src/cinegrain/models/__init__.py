"""Networks that we train: padded scene vectors and masks go in, logits and embeddings come out. No files, no loops."""
