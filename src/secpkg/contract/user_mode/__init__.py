"""User mode: what a package implements inside the application, and what it may call there."""
