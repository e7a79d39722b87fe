"""The query language of the catalog: words, their SQL, a plan, and the pages found."""
