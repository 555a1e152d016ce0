"""Which addresses may be called from inside: those of the public internet, and networks that the settings name.

Whoever calls a host that somebody else has named resolves it once, here, and connects to the very address that
was checked: a name that changes its mind gains nothing.
"""

import asyncio
import socket
from collections.abc import Iterable, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# All that IANA has given out of IPv6's global unicast addresses. What lies outside is none, whatever the standard
# library says of it: IPv4-compatible ::127.0.0.1, IPv4-translated ::ffff:0:a.b.c.d, site-local fec0::/10.
_UNICAST = IPv6Network("2000::/3")

# Addresses that stand for another one, mostly an IPv4 address of the host's own network: 6to4 and Teredo; and
# documentation's newer block (RFC 9637).
_TRANSLATED = tuple(IPv6Network(text) for text in ("2002::/16", "2001::/32", "3fff::/20"))
_RELAYS = IPv4Network("192.88.99.0/24")  # 6to4's, any that is near


class NotPermitted(Exception):
    """A host with no address that may be called."""


def is_permitted(address: Address, allowed: Iterable[Network] = ()) -> bool:
    """Whether `address` is of the public internet or in one of the `allowed` networks."""
    if any(address in network for network in allowed):
        return True
    if isinstance(address, IPv6Address) and (
        address not in _UNICAST or any(address in network for network in _TRANSLATED)
    ):
        return False
    if address in _RELAYS:
        return False
    return address.is_global and not address.is_multicast


async def permitted_addresses(host: str, port: int, *, allowed: Sequence[Network]) -> list[str]:
    """The addresses of `host` that may be called, in the resolver's order.

    Raises OSError when it cannot be resolved, and NotPermitted when none of its addresses may be called.
    """
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return permitted_among(host, [str(entry[4][0]) for entry in found], allowed=allowed)


def permitted_among(host: str, found: Iterable[str], *, allowed: Sequence[Network]) -> list[str]:
    """Those of the addresses `found` for `host` that may be called; raises NotPermitted if there is none."""
    addresses = [address.partition("%")[0] for address in found]
    permitted = [address for address in addresses if is_permitted(ip_address(address), allowed)]
    if not permitted:
        refused = ", ".join(dict.fromkeys(addresses))
        raise NotPermitted(f"{host} is {refused}, which is not on the public internet")
    return permitted
