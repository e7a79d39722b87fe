"""The demo site: a stand-in for Danbooru on loopback, for users, tests and benchmarks."""
