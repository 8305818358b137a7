"""Reasons: a trained model's answers go in, influence of modes, neighbours and words come out. It trains nothing."""
