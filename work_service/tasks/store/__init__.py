"""Tasks in the database, always as a caller sees them."""
