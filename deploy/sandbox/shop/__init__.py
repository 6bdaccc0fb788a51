"""One simulated shop: its customers, what can change them, its call limit, and its state file."""
