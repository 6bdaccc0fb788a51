"""An exhaustive model of one customer in small scopes: explores every interleaving and finds lasting faults."""
