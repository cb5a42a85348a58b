"""What runs packages: `user_mode` inside the application, `lsa_mode` inside a worker, and what both share."""
