"""All tasks of a project, told one after the other, as another project can take them."""
