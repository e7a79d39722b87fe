"""Judging the works of a catalog again: by SQL what thresholds decide, one by one the rest."""
