"""For authors: new, check, doctor, trace."""
