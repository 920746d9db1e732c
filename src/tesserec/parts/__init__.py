"""What several methods share; each file can be read alone."""
