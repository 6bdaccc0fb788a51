"""What people run: demo, test, command line, sandbox shop."""
