"""Naming: experts' concepts and catalogue text go in, the terms that distinguish a cluster come out."""
