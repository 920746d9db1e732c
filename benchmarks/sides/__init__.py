"""Scripts that do one side's work, each in the environment of what it measures."""
