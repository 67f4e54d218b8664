"""Activities: what has happened in projects, to be read. Each change writes its own in the journal."""
