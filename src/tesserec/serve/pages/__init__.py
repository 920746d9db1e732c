"""Pages for people: who is recommended what and why, in the process that answers."""
