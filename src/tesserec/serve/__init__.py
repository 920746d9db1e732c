"""A trained model as a service."""
