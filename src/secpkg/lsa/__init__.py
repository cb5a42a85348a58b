"""What a logon application calls."""
