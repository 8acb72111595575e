"""Lists of clients and domains that are asked through the DNS (RFC 5782): which there are, and what they say.

    entries = [parse_entry("zen.example=127.0.0.[2..11]*3"), parse_entry("welcome.example*-2")]
    inquiry = Lists(resolver, SelfTests(resolver, clock)).inquiry()
    inquiry.ask(entries, [subject_of_address(address)])       # every question at once
    await inquiry.wait(lambda: inquiry.tally().low > 2, deadline)
    inquiry.tally().hits

A list counts only while it passes its self test. What a broken, parked or refusing list says is trouble, never a hit.
`entries`, `answers` and `names` ask nobody.
"""

from filter_api.net.dnsbl.entries import Entry, Zone, parse_entry, parse_lists
from filter_api.net.dnsbl.inquiry import Inquiry, tally_of, wait_for
from filter_api.net.dnsbl.keys import read_keys
from filter_api.net.dnsbl.lists import Lists
from filter_api.net.dnsbl.names import Subject, subject_of_address, subject_of_domain
from filter_api.net.dnsbl.selftest import SelfTests, Standing
from filter_api.net.dnsbl.tally import Hit, Tally

__all__ = [
    "Entry",
    "Hit",
    "Inquiry",
    "Lists",
    "SelfTests",
    "Standing",
    "Subject",
    "Tally",
    "Zone",
    "parse_entry",
    "parse_lists",
    "read_keys",
    "subject_of_address",
    "subject_of_domain",
    "tally_of",
    "wait_for",
]
