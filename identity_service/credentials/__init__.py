"""What a person proves who they are with: passwords, addresses, and what comes by mail."""
