"""Files of entries that operators keep: who is let in, who is turned away, since when, until when and why."""
