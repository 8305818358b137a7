"""Embeddings as a dataset: checked, described, converted, merged, and searched for duplicates."""
