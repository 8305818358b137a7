"""Losses: tensors go in, a scalar comes out. They have no parameters."""
