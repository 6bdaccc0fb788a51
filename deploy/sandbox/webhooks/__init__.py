"""Webhooks of the simulated shops: queue, signature, retries and the handshake."""
