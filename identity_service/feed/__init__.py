"""The feed: what other services have to know at once, in the order in which it was committed."""
