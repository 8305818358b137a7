"""Losses, one file each: tensors go in, a scalar comes out. They own no parameters."""
