"""DMARC (RFC 9989): who wrote a message, what that domain asks for, and whether SPF or DKIM speak for it."""
