"""What a filter may still do once it runs: as little as its options need (opensmtpd-filters(7), CONFINEMENT).

`needs` says what that is, `places` which paths of the machine it comes to, and the rest holds the process to it:
`openbsd` by pledge(2) and unveil(2), `linux` by Landlock (`landlock`) and seccomp (`seccomp`, with `syscalls`).

    confined = confine(Needs(reads=frozenset({"/etc/mail/exempt"}), dns=True))    # `filter_api.confinement.system`
    confined.summary()          # one line for a status: what is in force, and what is not
"""
