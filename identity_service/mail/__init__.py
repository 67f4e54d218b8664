"""Mail: written in the transaction of what it tells, sent afterwards, as often as it takes."""
