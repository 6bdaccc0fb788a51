"""Tables of hostile input: what comes of each row, and who must not notice."""
