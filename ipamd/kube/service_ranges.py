"""The part of a ServiceCIDR that goes to Services, and its two bands.

The base of the CIDR is never a ClusterIP, nor is the last address of an IPv4 one. Of the rest the lower band is left to
Services that ask for an address, as long as there are others (KEP-3070): `dynamic` is searched first, `static` then.
Pure. Source: Kubernetes' pkg/registry/core/service/ipallocator/ipallocator.go.
"""

from typing import NamedTuple

from ipamd.bands import static_band
from ipamd.ranges import Address, Cidr, read_cidr

Window = tuple[int, int]
"""Addresses as numbers, the first and the last, both inclusive; with the last before the first there are none."""


class ServiceRange(NamedTuple):
    """The addresses of one CIDR that Services may have."""

    cidr: Cidr

    @property
    def family(self) -> str:
        """IPv4 or IPv6."""
        return f"IPv{self.cidr.family}"

    @property
    def window(self) -> Window:
        """All of them."""
        return self.cidr.base + 1, self.cidr.last - (self.cidr.family == 4)

    @property
    def size(self) -> int:
        """How many there are; a /31 and a /32 have none, and neither has a /128."""
        first, last = self.window
        return max(0, last - first + 1)

    @property
    def static(self) -> Window:
        """The lower band."""
        first, _ = self.window
        return first, first + static_band(self.cidr) - 1

    @property
    def dynamic(self) -> Window:
        """The upper band."""
        first, last = self.window
        return first + static_band(self.cidr), last

    def has(self, address: Address) -> bool:
        """Whether a Service may have the address."""
        first, last = self.window
        return address.family == self.cidr.family and first <= address.value <= last

    def contains(self, address: Address) -> bool:
        """Whether the address lies in the CIDR, be it one that Services may have or not."""
        return address.family == self.cidr.family and self.cidr.base <= address.value <= self.cidr.last


def service_range(text: str) -> ServiceRange:
    """The range of a CIDR as it stands in a ServiceCIDR."""
    return ServiceRange(read_cidr(text))
