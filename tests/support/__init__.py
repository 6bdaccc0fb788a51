"""Starts what tests need: Valkey servers, web processes, clients. Tests start no server in another way.

`valkey` and `web_server` start servers, `processes` starts programs, `shop` has the shop and the settings of the
tests, `sender` and `http_client` send webhooks, `canaries` looks for secrets, `ports` and `wait` are for all.
"""
