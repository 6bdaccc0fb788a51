"""Processes and files on this machine: the bundled Redis server, the service's processes, folders, the terminal.

It knows nothing of the service except its error types.
"""
