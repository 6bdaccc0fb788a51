"""Decisions: what one customer's tags should become, and what is stored about that customer."""
