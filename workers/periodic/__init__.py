"""What every worker does now and then, beside its drains."""
