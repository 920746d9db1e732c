"""What needs a GPU: papers' sizes, trained and evaluated by one command."""
