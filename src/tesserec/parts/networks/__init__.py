"""Modules that several methods build their networks of."""
