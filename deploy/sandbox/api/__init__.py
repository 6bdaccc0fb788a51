"""The HTTP API of the simulated shops, as Haravan's documents describe it. `deploy.sandbox.app` mounts it."""
