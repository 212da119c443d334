"""Completion of commands and options in a shell; options are those that help shows for what was typed so far."""

from collections.abc import Mapping

from anysense.common.validation import check_choice

__all__ = ["SHELLS", "completion"]

SHELLS = ("bash", "zsh", "fish")

_BASH = r"""_anysense() {
  local word="${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "COMMANDS --help --version --completion" -- "$word"))
  elif [[ "$word" == -* ]]; then
    local help="$(anysense "${COMP_WORDS[@]:1:COMP_CWORD-1}" --help 2>/dev/null)"
    COMPREPLY=($(compgen -W "$(grep -oE -e '--[a-z][a-z0-9-]*' <<<"$help")" -- "$word"))
  fi
}
complete -o default -F _anysense anysense
"""
_FISH = r"""complete -c anysense -n 'not __fish_use_subcommand; and string match -q -- "-*" (commandline -ct)' \
  -a '(anysense (commandline -opc)[2..] --help 2>/dev/null | string match -ra -- "--[a-z][a-z0-9-]*")'
"""


def completion(shell: str, commands: Mapping[str, str]) -> str:
    """A script for the shell, which completes commands (name: help) and their options.

    Raises:
        ValueError: No script for this shell.
    """
    check_choice("completion", shell, SHELLS)
    if shell == "fish":
        each = "complete -c anysense -f -n __fish_use_subcommand -a {} -d '{}'\n"
        return "".join(each.format(name, text) for name, text in commands.items()) + _FISH
    start = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    return start + _BASH.replace("COMMANDS", " ".join(commands))
