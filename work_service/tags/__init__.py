"""What tasks are sorted by: the categories and the labels of a project."""
