"""``filterctl completion bash | ksh | zsh``: completion of this command, made of what -h of every verb tells."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from filter_api.commands import Command, choose
from filter_api.errors import ConfigError, HelpWanted, UsageError
from filterctl.__main__ import VERBS, load

_OPTION: Final = re.compile(r"(-\w)(?: \S+)*?  +(\S.*)")

_BASH: Final = """\
# Completion of filterctl for bash(1), made by: filterctl completion bash
_filterctl_words() {
    case $1:$2 in
%s
    esac
}
_filterctl() {
    local verb= command= word i
    if [ "$COMP_CWORD" -gt 1 ]; then
        verb=${COMP_WORDS[1]}
        for ((i = 2; i < COMP_CWORD; i++)); do
            word=${COMP_WORDS[i]}
            case " $(_filterctl_words "$verb" "") " in
            *" $word "*) case $word in -*) ;; *) command=$word; break;; esac;;
            esac
        done
    fi
    COMPREPLY=($(compgen -W "$(_filterctl_words "$verb" "$command")" -- "${COMP_WORDS[COMP_CWORD]}"))
}
complete -o bashdefault -o default -F _filterctl filterctl
"""

_ZSH: Final = """\
#compdef filterctl
# Completion of filterctl for zsh(1), made by: filterctl completion zsh
_filterctl_words() {
    case $1:$2 in
%s
    esac
}
_filterctl() {
    local verb= command= word
    local -a found known
    if (( CURRENT > 2 )); then
        verb=$words[2]
        _filterctl_words "$verb" ""
        known=("${(@)found%%%%:*}")
        for word in "${(@)words[3,CURRENT-1]}"; do
            if [[ $word != -* && ${known[(Ie)$word]} -gt 0 ]]; then
                command=$word
                break
            fi
        done
    fi
    found=()
    _filterctl_words "$verb" "$command"
    _describe 'filterctl' found || _files
}
if [[ $funcstack[1] == _filterctl ]]; then
    _filterctl "$@"
else
    compdef _filterctl filterctl
fi
"""

_KSH: Final = """\
# Completion of filterctl for ksh(1), made by: filterctl completion ksh
set -A complete_filterctl_1 -- %s
set -A complete_filterctl_2 -- %s
"""


class Words(NamedTuple):
    """What may stand behind a verb, or behind a command of it: names, with what they do."""

    verb: str
    command: str
    about: dict[str, str]


def run(arguments: list[str]) -> int:
    """The verb. Raises UsageError."""
    return choose(
        arguments,
        {
            "bash": Command(_printing(bash), "", "for bash, from its completions directory or .bashrc"),
            "ksh": Command(_printing(ksh), "", "for ksh of OpenBSD, from .kshrc"),
            "zsh": Command(_printing(zsh), "", "for zsh, as _filterctl in a directory of fpath"),
        },
    )


def _printing(made: Callable[[list[Words]], str]) -> Callable[[list[str]], int]:
    def act(arguments: list[str]) -> int:
        if arguments:
            raise HelpWanted
        print(made(all_words()), end="")
        return 0

    return act


def all_words() -> list[Words]:
    """Behind nothing, behind each verb, and behind each command of each verb, as far as they are installed."""
    found = [Words("", "", {name: verb.about for name, verb in VERBS.items()})]
    for name, verb in VERBS.items():
        try:
            function = load(verb.module, verb.function)
        except ConfigError:
            continue
        told = _ask(function, [])
        found.append(Words(name, "", {**told.commands, **_options(told)}))
        found += [Words(name, command, _options(_ask(function, [command]))) for command in told.commands]
    return found


def _ask(function: Callable[[list[str]], int], words: list[str]) -> HelpWanted:
    try:
        function([*words, "--help"])
    except HelpWanted as told:
        return told
    except (ConfigError, UsageError):  # of a filter that is not installed, of a verb without help
        pass
    return HelpWanted()


def _options(told: HelpWanted) -> dict[str, str]:
    found = map(_OPTION.fullmatch, told.options.splitlines())
    return {line[1]: line[2] for line in found if line and not line[2].startswith("(refused")}


def bash(words: list[Words]) -> str:
    """Names alone."""
    return _BASH % "\n".join(f'    {_place(each)}) echo "{" ".join(each.about)}";;' for each in words)


def zsh(words: list[Words]) -> str:
    """Names with what they do."""
    cases = (
        f"    {_place(each)}) found=({' '.join(_quoted(name, what) for name, what in each.about.items())});;"
        for each in words
    )
    return _ZSH % "\n".join(cases)


def _place(words: Words) -> str:
    return f"{words.verb}:{words.command}"


def _quoted(name: str, what: str) -> str:
    """An entry of _describe, in single quotes."""
    return "'" + f"{name}:{what}".replace("'", "'\\''") + "'"


def ksh(words: list[Words]) -> str:
    """ksh(1) of OpenBSD knows the place of a word, and not what stands before it."""
    commands = sorted({name for each in words if each.verb and not each.command for name in each.about})
    return _KSH % (" ".join(words[0].about), " ".join(name for name in commands if not name.startswith("-")))
