"""Questions to the DNS, with typed answers: there is one, there certainly is none, nobody knows.

`Resolver` asks, with a cache and deadlines; `Answer` and `Status` say what came of it. `answer.py`, `cache.py` and
`wire.py` ask nobody.
"""

from filter_api.net.dns.answer import Answer, Record, Status, canonical_name, reverse_name
from filter_api.net.dns.resolver import Backend, Resolver

__all__ = ["Answer", "Backend", "Record", "Resolver", "Status", "canonical_name", "reverse_name"]
