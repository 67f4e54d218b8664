"""Relations: what tasks of a project have to do with each other."""
