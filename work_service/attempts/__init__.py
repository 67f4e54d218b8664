"""Changes that may be tried again: the same caller, method and name get the first answer."""
