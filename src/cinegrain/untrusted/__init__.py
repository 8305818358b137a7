"""Files from strangers: arrays and plain containers come out; nothing in them is run, and no declared size believed."""
