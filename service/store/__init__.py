"""Redis: one module for each kind of thing that is kept, its scripts beside it."""
