"""Tables of addresses, domains and keys for filters; see `filter_api.files.tables`, where they live."""

from filter_api.files.tables import AddressTable, DomainTable, KeyValueTable

__all__ = ["AddressTable", "DomainTable", "KeyValueTable"]
