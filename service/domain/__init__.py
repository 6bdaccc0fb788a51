"""What tags a customer should have, and why: pure, without I/O, clock or logger."""
