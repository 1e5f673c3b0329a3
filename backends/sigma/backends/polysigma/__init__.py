"""Polysigma's targets."""
