"""What tests of the whole system share: databases, a running stack, and one client per door."""
