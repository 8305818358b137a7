"""From one video file to its scenes, one by one; knows nothing of networks, stores or catalogues."""
