"""What identity tells at once: who is called what, and which access tokens are no longer good."""
