"""From a question of smtpd to an outcome: judge, SPF, traps, clock."""
