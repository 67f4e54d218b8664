"""Finding tasks: lists of them by what they are, and searches by what they say."""
