"""Films never seen: what they are, why, what is alike, and their place in the atlas."""
