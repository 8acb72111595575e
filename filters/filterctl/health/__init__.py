"""Whether the filters are well."""
