"""Is this client allowed to send mail for that domain? SPF (RFC 7208), evaluated over `filter_api.net.dns`."""

from filter_api.net.spf.result import Result, SpfResult, Weakness
from filter_api.net.spf.sender import check_host, check_sender

__all__ = ["Result", "SpfResult", "Weakness", "check_host", "check_sender"]
