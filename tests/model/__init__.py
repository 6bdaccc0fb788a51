"""An exhaustive small-scope model of one customer: every interleaving, and what may never come of it."""
