"""Polysigma's pipelines."""
