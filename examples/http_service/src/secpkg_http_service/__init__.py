"""A page over TLS that says who you are."""
