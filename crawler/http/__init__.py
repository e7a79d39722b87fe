"""The network: the only package that imports httpx and aiohttp."""
