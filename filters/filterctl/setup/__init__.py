"""filterctl init: from an installed package to a configuration that smtpd starts with."""
