# SPDX-License-Identifier: Apache-2.0
# Completion of the isle command for bash: commands, options, then files.

_isle() {
    local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        mapfile -t COMPREPLY < <(compgen -W 'check explore run help --help --version' -- "$word")
        return
    fi
    case ${COMP_WORDS[1]} in
    help)
        ((COMP_CWORD == 2)) && mapfile -t COMPREPLY < <(compgen -W 'check explore run' -- "$word")
        ;;
    explore)
        if [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--faults --from --help --jobs --quiet --seeds --timeout' -- "$word")
        else
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
        ;;
    check)
        if [[ $previous == --allow ]]; then
            return
        elif [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--all --allow --json --help' -- "$word")
        else
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
        ;;
    run)
        if [[ $previous == --backend ]]; then
            mapfile -t COMPREPLY < <(compgen -W 'process thread' -- "$word")
        elif [[ $previous == --memory || $previous == --threads || $previous == --cpu || $previous == --deadline ]]; then
            return
        elif [[ $word == -* ]]; then
            mapfile -t COMPREPLY < <(compgen -W '--allow-read --backend --cpu --deadline --help --insecure --json --log --memory --quiet --threads' -- "$word")
        else
            compopt -o filenames 2>/dev/null
            mapfile -t COMPREPLY < <(compgen -f -- "$word")
        fi
        ;;
    esac
}
complete -F _isle isle
