"""Projects, by themselves or with how much there is in them."""
