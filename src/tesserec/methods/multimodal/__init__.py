"""Methods that also look at what items are made of."""
