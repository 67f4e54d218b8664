"""Comments: what members say about tasks."""
