"""What happens after the 200."""
