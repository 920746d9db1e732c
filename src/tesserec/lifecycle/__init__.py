"""What happens to a model after it was trained: it is kept current, and it forgets."""
