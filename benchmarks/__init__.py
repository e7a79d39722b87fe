"""Figures of merit, one command each: ``python -m benchmarks.NAME [--save]``."""
