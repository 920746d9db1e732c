"""A whole study as one typed file, and what comes of it."""
