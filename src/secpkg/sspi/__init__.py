"""What an application calls to make and use a security context."""
