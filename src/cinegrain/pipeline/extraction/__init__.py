"""Extraction: embeds videos, in local processes or on a Ray cluster, and recovers from crashes."""
