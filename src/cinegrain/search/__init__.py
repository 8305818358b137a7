"""Search in a run by film, scene, sub-genre, modality and words. Nothing needs to be trained for it."""
