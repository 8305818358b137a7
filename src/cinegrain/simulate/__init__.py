"""In: simulation settings; out: trailers as vectors with a planted truth, one by one. It knows no file and no model."""
