"""`make bench`: what a request costs, in requests per second and in CPU per process."""
