"""Video files: a file goes in, scenes come out. Knows nothing of networks, stores or catalogues."""
