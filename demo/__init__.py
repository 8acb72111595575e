"""`make demo`: a private mail server with the chain of examples/smtpd.conf, visited by clients of every kind."""
