"""What a filter of this process has found out about who sent a message: SPF, DKIM, DMARC, for those asked after it.

    self.context.shared(Authentications).found[session] = Authenticated(...)          # filter-auth, at the message
    known = self.context.shared(Authentications).found[session]                       # another, later; None if nobody
    if known is not None and known.signed_by(b"example.org"): ...

It lives as long as the transaction. In processes of their own filters know nothing of each other.
"""

from __future__ import annotations

from dataclasses import dataclass

from filter_api.session import PerTransaction, Session


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

    @property
    def signed_author(self) -> str:
        """The author's domain, if a signature of exactly this domain holds; else nothing."""
        return self.author if self.author in self.dkim else ""


class Authentications:
    """One for all filters of a process: `found[session]` is what is known of the running transaction, or None.

    asked: whether a filter that finds it out has started, so those after it can count on it.
    """

    found = PerTransaction[Authenticated | None](lambda: None)

    def __init__(self) -> None:
        self.asked = False

    def signed_author(self, session: Session) -> str:
        """The domain of the running message's author where a signature of it holds, as far as anybody has looked."""
        known = self.found[session]
        return "" if known is None else known.signed_author
