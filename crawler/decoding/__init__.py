"""Decoding: in a thread where that is safe, else in a process of its own that may die."""
