"""What everything that stands before a network tells of it."""

from __future__ import annotations

from twofold.engine.budget import weight_count
from twofold.network import FillingNetwork


class WrappedNetwork:
    """Sizes and kind of a network that is asked in another way.

    Args:
        network: which.
    """

    def __init__(self, network: FillingNetwork) -> None:
        self._network = network

    @property
    def size_multiple(self) -> int:
        """Height and width must be multiples of this."""
        return self._network.size_multiple

    @property
    def native_size(self) -> int:
        """Side in pixels of the squares that the network was made for."""
        return self._network.native_size

    @property
    def largest_size(self) -> int:
        """Side in pixels of the largest squares that it fills well."""
        return self._network.largest_size

    @property
    def diverse(self) -> bool:
        """Whether another seed gives another answer, with the options that it has."""
        return self._network.diverse

    @property
    def weight_count(self) -> int:
        """How many weights the network has; 0 where it cannot be told."""
        return weight_count(self._network)
