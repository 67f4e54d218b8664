"""Members of projects, and their roles. A project never loses its last owner."""
