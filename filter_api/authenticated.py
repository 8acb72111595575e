"""What a filter of this process has found out about who sent a message: SPF, DKIM, DMARC, for those asked after it.

    self.context.shared(Authentications).found[session] = Authenticated(...)          # filter-auth, at the message
    known = self.context.shared(Authentications).found[session]                       # another, later; None if nobody
    if known is not None and known.signed_by(b"example.org"): ...

It lives as long as the transaction. In processes of their own filters know nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from filter_api.session import PerTransaction


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Results as RFC 8601 writes them; domains have A-labels in lower case, and are empty where there is none.

    spf, spf_domain: of the MAIL FROM, or of HELO for the null sender. dkim: the domains of the signatures that hold for
    the whole message. dmarc, author, policy: of the author's domain; policy is what its owner asks for.
    """

    spf: str = "none"
    spf_domain: str = ""
    dkim: frozenset[str] = frozenset()
    dmarc: str = "none"
    author: str = ""
    policy: str = ""

    def signed_by(self, domain: bytes) -> bool:
        """Whether a signature of exactly this domain holds."""
        return domain.decode("latin-1") in self.dkim


class Authentications:
    """One for all filters of a process: `found[session]` is what is known of the running transaction, or None."""

    found = PerTransaction[Authenticated | None](lambda: None)
