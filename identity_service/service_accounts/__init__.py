"""Service accounts: machines that sign in with a secret, and do what their scopes say."""
