"""LSA mode: what a package implements inside the authority's worker, and what it may call there."""
