"""How often may be called: budgets of calls a minute, of principals and of addresses.

`principals` says whose budget a call is taken from, `windows` and `shared` count (in this process, or in Redis for all
of them), `limiter` decides and says so in headers. Limits keep one client from taking what belongs to all; how much the
gateway can carry is another question (`asgi.load`).
"""
