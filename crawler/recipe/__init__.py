"""Recipes: several sources, tiers and quotas in one set with one target."""
