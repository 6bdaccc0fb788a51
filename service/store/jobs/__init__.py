"""Long work that is stored: jobs that wait for a worker. Whatever dies, another worker goes on with them."""
