"""What is kept about a shop's customers: state, snapshots, ownership."""
