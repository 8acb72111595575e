"""Questions to the network: DNS, SPF, scanners."""
