"""Search in a run by film, scene, sub-genre, modality and words. Needs no trained model."""
