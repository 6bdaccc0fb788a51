"""What people run: the command line, the demo, local processes and the sandbox; beside it scripts and files for deployment."""
