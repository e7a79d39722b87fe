"""Everything on disk: the catalog, the files, the queue and the event log."""
