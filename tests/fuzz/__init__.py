"""Coverage-guided fuzzing of everything that reads what strangers wrote.

``python -m tests.fuzz --seconds 600`` needs atheris, which has no wheel for every system.
"""
