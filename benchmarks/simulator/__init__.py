"""In: simulation settings; out: trailers as vectors with a planted truth, one by one. `corpus` stores them as a run."""
