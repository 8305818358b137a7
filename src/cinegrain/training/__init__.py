"""Training: arrays and settings go in, a trained model and its history come out."""
