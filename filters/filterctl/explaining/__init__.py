"""``filterctl explain`` for a whole configuration: what each filter of a listener would decide, and why."""
