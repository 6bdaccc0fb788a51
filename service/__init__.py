"""What the web process and the workers share, and the web process itself."""
