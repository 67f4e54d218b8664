"""What tasks are about, so that lists look like lists and searches find something."""

import itertools
from collections.abc import Sequence

VERBS: Sequence[str] = (
    *("Write", "Review", "Fix", "Design", "Test", "Remove", "Measure", "Translate", "Document", "Plan"),
    *("Repair", "Order", "Clean", "Paint", "Draw", "Record", "Explain", "Check", "Move", "Simplify"),
)
THINGS: Sequence[str] = (
    *("the sign-up page", "the price list", "search results", "the welcome mail", "the landing page", "login errors"),
    *("the photo gallery", "the opening hours", "the contact form", "the site map", "old invoices", "the newsletter"),
    *(
        "backup restores",
        "the workshop door",
        "the spring catalogue",
        "customer answers",
        "delivery times",
        "the archive",
    ),
    *("keyboard navigation", "dark colours", "the moon lamp", "the front window"),
)
SENTENCES: Sequence[str] = (
    "Customers have asked for it more than once.",
    "See what was agreed in March.",
    "Nobody knows how it came about, so look at the history first.",
    "It must also work on telephones.",
    "Keep the old address working.",
    "Ask the workshop before anything is ordered.",
    "Numbers are in the table that Grace keeps.",
    "Half of it is there already.",
)


def title(number: int) -> str:
    """What there is to do. No two are the same."""
    pairs = len(VERBS) * len(THINGS)
    verb, thing = divmod(number * 7919 % pairs, len(THINGS))
    return f"{VERBS[verb]} {THINGS[thing]}" + (f", part {number // pairs + 1}" if number >= pairs else "")


def description(number: int) -> str:
    """A few sentences about it, or none."""
    sentences = itertools.islice(itertools.cycle(SENTENCES), number % 8, number % 8 + number % 4)
    return " ".join(sentences)
