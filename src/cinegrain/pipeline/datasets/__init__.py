"""Embedding datasets: summarise, verify, convert, merge, find duplicates."""
