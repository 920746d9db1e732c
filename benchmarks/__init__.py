"""Our side of every benchmark, and a way to time any installed peer beside it."""
