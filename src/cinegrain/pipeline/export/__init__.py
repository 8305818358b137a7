"""A model as a folder that anybody can carry away and that predicts without PyTorch."""
