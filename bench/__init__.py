"""Figures as ratios of one run: ``make bench`` or ``python -m bench [name ...]``. Never part of the test suite."""
