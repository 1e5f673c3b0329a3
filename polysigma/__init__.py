"""Author a detection once, in Sigma; run it on every SIEM; prove that it finds the same things everywhere."""

__version__ = "0.1.0"
