"""Reads untrusted files: runs nothing in them and trusts no declared size."""
