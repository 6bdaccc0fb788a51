"""The ops API: what an operator's script may see and do, as JSON."""
