"""Which budget a method is counted against."""

from enum import Enum

from gateway.descriptors import Binding, ContractUnusable, Method


class RateClass(Enum):
    """By the numbers of `tandem.gateway.v1.RestMethod.RateClass`."""

    READ = 1
    WRITE = 2

    @property
    def label(self) -> str:
        """What clients read."""
        return self.name.lower()


def only_reads(method: Method, binding: Binding) -> bool:
    """Whether a route changes nothing: by the word of the contract, or by what GET means."""
    return method.reads or binding.verb in ("GET", "HEAD")


def rate_class(method: Method, binding: Binding) -> RateClass:
    """The class that the contract says, or the one that follows from what the route does.

    Raises:
        ContractUnusable: There is no such class.
    """
    if not method.rest.rate_class:
        return RateClass.READ if only_reads(method, binding) else RateClass.WRITE
    try:
        return RateClass(int(method.rest.rate_class))
    except ValueError:
        raise ContractUnusable(f"{int(method.rest.rate_class)} is not a rate class") from None
