"""The crawl: the world outside and the run that gathers from it."""
