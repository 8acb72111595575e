"""Write filters for OpenSMTPD: see filter_api(3)."""
