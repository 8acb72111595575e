"""Configurations with an include, and what is included: more for check_corpus, good and bad."""

from __future__ import annotations

INCLUDED = "/etc/included.conf"
_INCLUDE = f'include "{INCLUDED}"'

# (lines, what INCLUDED has)
GOOD = (
    (_INCLUDE, 'filter x proc-exec "/bin/x"\n'),
    (_INCLUDE, 'filter x proc-exec "/bin/x"'),
    (_INCLUDE, 'm = "filter-y"\n'),
    (_INCLUDE, "listen on 127.0.0.1 filter a\n"),
    (_INCLUDE, ""),
    (_INCLUDE, "\n"),
    (_INCLUDE, "# c"),
    (_INCLUDE, 'filter x proc-exec "/bin/x" \\\n'),
    (_INCLUDE, "listen on socket filter a\n"),
    (f'include "{INCLUDED}"\nfilter x proc-exec $m', 'm = "filter-y"\n'),
    (f'm = "filter-y"\ninclude "{INCLUDED}"', "filter x proc-exec $m\n"),
    (f'include "{INCLUDED}"\nlisten on 127.0.0.1 filter x', 'filter x proc-exec "x"\n'),
    (f'include "{INCLUDED}" # c', 'filter x proc-exec "x"\n'),
    (f'include "{INCLUDED}"\ninclude "{INCLUDED}"', "# nothing\n"),
)

BAD = (
    (_INCLUDE, 'filter rdns proc-exec "x"\n'),
    (_INCLUDE, 'filter a proc-exec "x"\n'),
    (_INCLUDE, "listen on 127.0.0.1 filter none\n"),
    (_INCLUDE, "filter x chain { a,\n"),
    (_INCLUDE, '"'),
    (_INCLUDE, "filter x \\"),
    (_INCLUDE, "filter x"),
    (_INCLUDE, f'include "{INCLUDED}"\n'),
    (_INCLUDE, 'filter x proc-exec "/bin/x"\r\n'),
    (f'listen on 127.0.0.1 filter x\ninclude "{INCLUDED}"', 'filter x proc-exec "x"\n'),
    (f'listen on socket\ninclude "{INCLUDED}"', "listen on socket\n"),
    (f"include {INCLUDED}", 'filter x proc-exec "x"\n'),
    ('include "/etc/nosuch.conf"', ""),
    ("include", ""),
    (f'm = "{INCLUDED}"\ninclude $m', 'filter x proc-exec "x"\n'),
    (f'include "{INCLUDED}" "b"', 'filter x proc-exec "x"\n'),
    (f'include "{INCLUDED}"\ninclude "{INCLUDED}"', 'filter x proc-exec "x"\n'),
    (f'filter x chain {{ a,\ninclude "{INCLUDED}"\n}}', "b\n"),
    (f'"include" "{INCLUDED}"', 'filter x proc-exec "x"\n'),
    (f'include "{INCLUDED}"\nfilter x proc p', "filter x proc p\n"),
)
