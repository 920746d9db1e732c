"""What one training step sees, one kind a file."""

from tesserec.parts.batches.pairs import PairBatch, Pairs, UserPairs

__all__ = ["PairBatch", "Pairs", "UserPairs"]
