"""Mail that was judged: logs, reports, quarantine."""
