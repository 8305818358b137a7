"""The genre model of a run: training, evaluation, ablation."""
