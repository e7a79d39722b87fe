"""What trawl promises to survive, tried often enough to believe it: ``make torture``.

Each part is a command: ``python -m tests.torture.kills``, ``.disk_full``, ``.signals``, ``.soak``.
``make test`` runs a seeded sample of each.
"""
