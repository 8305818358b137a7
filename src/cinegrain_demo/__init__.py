"""In: corpus settings; out: short synthetic films, a catalogue and the planted truth. It knows no expert or model."""
