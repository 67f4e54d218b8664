"""What every server of Tandem needs, and no business rule lives in.

A module enters only when two servers need it and when it would make sense in a company that sells shoes.
"""

__version__ = "0.1.0"
"""Of all of Tandem. An image holds the sources alone, so this is where it is said."""
