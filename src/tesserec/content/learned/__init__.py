"""Encoders that were learned elsewhere: models in folders, or on the hub, through transformers."""
