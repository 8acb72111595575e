"""The whole chain of filters under private smtpds for minutes or days: does anything grow, is anything lost?

    python -m tools.soak -d 2h            # two rooms: filters as separate processes, and as one; docs/endurance.md

Mixed mail comes at an even rate, and backends fail in turn, filters reload, logs are rotated and the clock is stepped.
"""
