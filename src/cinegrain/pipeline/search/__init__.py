"""Search in a run by film, scene, sub-genre, mode and words."""
