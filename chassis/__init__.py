"""What every server of Tandem needs, and no business rule lives in.

A module enters only when two servers need it and when it would make sense in a company that sells shoes.
"""
