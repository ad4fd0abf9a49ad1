# Countersign's bash integration: every simple command is asked about before it runs (DEBUG trap).
#
# Read through BASH_ENV by non-interactive shells and through --init-file by interactive ones. It costs one fork and one
# small static program per command. It is cooperative: an agent that means to can leave it (see known-issues); then only the
# shims on PATH are left. What takes it away (`trap - DEBUG`, `unset BASH_ENV`, …) is itself asked about first, as text.
#
# How a denied command fails with status 126 although bash knows only "skip, status 0": a function of the command's own name
# stands in its place for this one call, and returns 126. Where a redirection or a substitution would act before
# that function is reached, the shell has no descriptors to open anything with (ulimit -n 0) until the next command.

if [[ ${__csn_loaded@a} != *a* && -n ${BASH_VERSINFO-} ]]; then

# An array cannot come from the environment: nobody outside can pretend that this was read already.
declare -ra __csn_loaded=(1)
__csn_dir=${BASH_SOURCE[0]%/*}
__csn_shim_dir=$__csn_dir/shims
# By a path with a space in it: of such a name no function can be made, and a function would be called in its place.
__csn_ask="$__csn_dir/the shims/countersign-ask"
__csn_env=$__csn_dir/bash-integration.bash
__csn_start=${COUNTERSIGN_BASH_START-}
__csn_own_env=${COUNTERSIGN_BASH_ENV-}
unset COUNTERSIGN_BASH_START COUNTERSIGN_BASH_ENV
# 1 in a shell that runs a script file: not one that was given its commands (-c), reads them (-s) or is typed into.
__csn_scripted=0
[[ $- != *[ics]* && -f $0 ]] && __csn_scripted=1
declare -A __csn_shims=()
for __csn_name in "$__csn_shim_dir"/*; do __csn_shims[${__csn_name##*/}]=1; done
# Names that a shim stands for on PATH but that bash answers itself.
for __csn_name in kill echo printf test '[' pwd true false time; do unset "__csn_shims[$__csn_name]"; done
unset __csn_name
declare -a __csn_void=()
__csn_status=0 __csn_last='' __csn_limit='' __csn_starving='' __csn_stub='' __csn_stub_was='' __csn_changed=''
__csn_typed=0 __csn_pending='' __csn_result=- __csn_entered='' __csn_skipping='' __csn_history='' __csn_traced='' __csn_line_pending=''

# What the person's own start-up files would have done.
case $__csn_start in
  login)
    [[ -r /etc/profile ]] && . /etc/profile
    for __csn_name in ~/.bash_profile ~/.bash_login ~/.profile; do
      if [[ -r $__csn_name ]]; then . "$__csn_name"; break; fi
    done
    unset __csn_name ;;
  rc)
    [[ -r /etc/bash.bashrc ]] && . /etc/bash.bashrc
    [[ -r ~/.bashrc ]] && . ~/.bashrc ;;
  none | '') ;;
  *) [[ -r $__csn_start ]] && . "$__csn_start" ;;
esac
[[ $- != *i* && -n $__csn_own_env && $__csn_own_env != "$__csn_env" && -r $__csn_own_env ]] && . "$__csn_own_env"
# A start-up file that puts its own directories first would hide the shims.
[[ $PATH == "$__csn_shim_dir":* ]] || PATH=$__csn_shim_dir:$PATH

# No descriptors for the command that is about to run; the trap that runs next gives them back before anything else.
__csn_starve() {
  __csn_starving=''
  builtin trap "$__csn_trap_starved" DEBUG
  builtin ulimit -Sn 0 || builtin exit 126
}
__csn_restore() {
  __csn_status=$1 __csn_last=${2-}
  builtin ulimit -Sn "$__csn_limit"
  __csn_limit=''
  builtin trap "$__csn_trap" DEBUG
}

# Takes the stand-in for a denied or changed command away again, and gives back a function it stood in for.
__csn_unstub() {
  builtin unset -f -- "$__csn_stub"
  [[ -n $__csn_stub_was ]] && builtin eval "$__csn_stub_was"
  __csn_stub='' __csn_stub_was='' __csn_changed=''
  builtin return 0
}

# The stand-in's body: fails as denied, or runs the changed command. Its lines are exempted by their text in __csn_debug.
__csn_instead() {
  builtin local __csn_line="$__csn_changed"
  __csn_unstub
  [[ -n $__csn_line ]] || builtin return 126
  builtin eval "$__csn_line"
}

# Puts a stand-in in place of the command whose first word is $1; fails where bash would not call a function.
__csn_stand_in() {
  # Everything here says `builtin`, so that a stand-in for `unset` or `eval` is not called by its own remover.
  [[ :$SHELLOPTS: != *:posix:* && $1 != builtin && $1 =~ ^[][A-Za-z0-9_./+:@%,-]+$ ]] || builtin return 1
  __csn_stub_was=$(builtin declare -f -- "$1")
  builtin eval "function $1 { __csn_instead; }" || builtin return 1
  [[ $(builtin declare -f -- "$1") == *__csn_instead* ]] || builtin return 1
  __csn_stub=$1
}

# Nothing more of this shell (or of this typed line) runs: for what no stand-in can replace.
__csn_abandon() {
  [[ $- == *i* && $BASH_SUBSHELL == 0 ]] || builtin exit 126
  __csn_skipping=1
  builtin shopt -s extdebug
  builtin kill -INT "$$"
  builtin return 1
}

# $1: first word. Makes the command that is about to run fail without any effect.
__csn_deny() {
  __csn_stand_in "$1" || { __csn_abandon; builtin return; }
  if [[ $BASH_COMMAND == *[\<\>\`]* || $BASH_COMMAND == *'$('* || $BASH_COMMAND == *'${'* ]]; then
    __csn_limit=$(builtin ulimit -Sn)
    __csn_starving=1
  fi
}

# $1: first word. Runs the changed command in place of the one that is about to run.
__csn_modify() {
  builtin local __csn_l_line __csn_l_pid="$BASHPID"
  __csn_l_line=$("$__csn_ask" take "$__csn_l_pid" '' - 2>&9 9>&-)
  [[ $? == 0 && -n $__csn_l_line ]] || { __csn_deny "$1"; builtin return; }
  if [[ $BASH_COMMAND != *[\<\>\`]* && $BASH_COMMAND != *'$('* ]] && __csn_stand_in "$1"; then
    __csn_changed=$__csn_l_line
    builtin return 0
  fi
  # Its own redirections must not happen: run the changed one here and skip it. Its status is lost unless it failed.
  builtin shopt -s extdebug
  builtin eval "$__csn_l_line" 2>&9 9>&- || __csn_abandon
  builtin return 1
}

# Fills __csn_values with NAME=VALUE of the plain variables that $1 mentions; $2… are the positional parameters.
__csn_mentioned() {
  builtin local __csn_l_rest="$1" __csn_l_name __csn_l_seen=' '
  builtin local -i __csn_l_i
  builtin shift
  __csn_values=()
  [[ $__csn_l_rest == *'~'* ]] && __csn_values+=("HOME=${HOME-}")
  while [[ $__csn_l_rest =~ \$(\{([A-Za-z_][A-Za-z_0-9]*|[0-9]+|[@*#])\}|[A-Za-z_][A-Za-z_0-9]*|[0-9@*#])(.*) ]]; do
    __csn_l_name=${BASH_REMATCH[2]:-${BASH_REMATCH[1]}}
    __csn_l_rest=${BASH_REMATCH[3]}
    [[ $__csn_l_seen == *" $__csn_l_name "* ]] && continue
    __csn_l_seen+="$__csn_l_name "
    case $__csn_l_name in
      [@*#])
        [[ $__csn_l_name == '#' ]] || for ((__csn_l_i = 1; __csn_l_i <= $#; __csn_l_i++)); do
          __csn_values+=("$__csn_l_i=${!__csn_l_i}")
        done
        __csn_values+=("#=$#") ;;
      _) __csn_values+=("_=$__csn_last") ;;
      *[!0-9]*) [[ -v $__csn_l_name ]] && __csn_values+=("$__csn_l_name=${!__csn_l_name}") ;;
      0) ;;
      *) ((__csn_l_name <= $#)) && __csn_values+=("$__csn_l_name=${!__csn_l_name}") ;;
    esac
  done
  builtin return 0
}

# $1 kind, $2 flags, $3 text, $4… NAME=VALUE. Status 0 ALLOW, 10 MODIFY, anything else denies.
__csn_question() {
  builtin local __csn_l_kind="$1" __csn_l_flags="$2" __csn_l_result=-
  if [[ $__csn_pending == "$BASHPID" && $__csn_result != - ]]; then
    __csn_l_result=$__csn_result
    __csn_pending='' __csn_result=-
  fi
  builtin shift 2
  builtin local __csn_l_all="$*"
  # One word of an argv is at most 128 KiB, and a character up to four bytes.
  if ((${#__csn_l_all} < 30000)); then
    "$__csn_ask" "$__csn_l_kind" "$BASHPID" "$__csn_l_flags" "$__csn_l_result" "$@" 2>&9 9>&-
  else
    builtin local __csn_l_pid="$BASHPID"
    "$__csn_ask" - 2>&9 9>&- < <(builtin printf '%s\0' "$__csn_l_kind" "$__csn_l_pid" "$__csn_l_flags" "$__csn_l_result" "$@")
  fi
}

# True when the first word $1 will be looked up on PATH and found among the shims.
__csn_shimmed() {
  [[ -n $1 && -n ${__csn_shims[$1]-} && $PATH == "$__csn_shim_dir":* ]] || builtin return 1
  [[ -z ${BASH_CMDS[$1]-} || ${BASH_CMDS[$1]} == "$__csn_shim_dir/$1" ]] || builtin return 1
  ! builtin declare -F -- "$1" >/dev/null
}

# True when the command ($1 its first word, $2 its text) can reach nothing outside this shell: no redirection, no substitution,
# and no name that decides what later commands mean.
__csn_is_inner_step() {
  [[ $2 != *[\<\>\`]* && $2 != *'$('* ]] || builtin return 1
  case $1 in
    '[' | test | : | true | false | return | break | continue | shift | echo | cd)
      ! builtin declare -F -- "$1" >/dev/null ;;
    local | let | getopts)
      [[ $2 != *PATH* && $2 != *IFS* && $2 != *BASH* && $2 != *__csn* ]] && ! builtin declare -F -- "$1" >/dev/null ;;
    [A-Za-z_]*=*)
      # `NAME=value` alone; with a word behind it, it is a command with that variable.
      [[ $2 =~ ^[A-Za-z_][A-Za-z_0-9]*\+?=([^[:space:]\"\']*|\"[^\"]*\"|\'[^\']*\')$ ]] || builtin return 1
      case ${1%%=*} in
        PATH* | LD_* | BASH* | ENV* | IFS* | SHELL* | PROMPT_* | DYLD_* | PYTHON* | NODE_* | PERL* | RUBY* | GIT_* | HOME* | HIST* | FUNC* | __csn* | *EDITOR* | *PAGER* | *_COMMAND*)
          builtin return 1 ;;
      esac ;;
    *) builtin return 1 ;;
  esac
}

# Puts the newest line of the history into __csn_newest and its number into __csn_number; fails where there is none.
__csn_newest_line() {
  builtin local __csn_l_entry
  __csn_l_entry=$(HISTTIMEFORMAT='' builtin history 1)
  [[ $__csn_l_entry =~ ^[[:space:]]*([0-9]+)[*]?[[:space:]]+(.*)$ ]] || builtin return 1
  __csn_number=${BASH_REMATCH[1]} __csn_newest=${BASH_REMATCH[2]}
}

# The whole typed line, once, before its first command: only there can it be seen what is piped into what. A line that the
# history does not take (a leading space, a repetition) is not seen whole; its commands are, one by one.
__csn_typed_line() {
  __csn_typed=2
  builtin local __csn_newest __csn_number
  __csn_newest_line || builtin return 0
  [[ $__csn_number != "$__csn_history" ]] || builtin return 0
  __csn_history=$__csn_number
  [[ $__csn_newest == *[\|\;\&\(\{\<\>$'\n']* && $__csn_newest != "$BASH_COMMAND" ]] || builtin return 0
  __csn_mentioned "$__csn_newest"
  __csn_question line if "$__csn_newest" "${__csn_values[@]}"
  builtin local __csn_l_answer="$?"
  if [[ $__csn_l_answer == 0 ]]; then
    __csn_line_pending=1
    builtin return 0
  fi
  # There is no changing a line that bash has read: a MODIFY shows what to type instead.
  [[ $__csn_l_answer == 10 ]] && builtin printf 'countersign: denied as it stands; type the changed line yourself\n' >&9
  builtin return 1
}

# True when the command that is about to run is a line of ours.
__csn_ours() {
  builtin local __csn_l_name
  if [[ -n $__csn_stub && ${FUNCNAME[3]-} == "$__csn_stub" ]]; then builtin return 0; fi
  case ${FUNCNAME[3]-} in
    __csn_unstub) builtin return 0 ;;
    __csn_instead)
      case $BASH_COMMAND in
        __csn_instead | 'builtin local __csn_line="$__csn_changed"' | __csn_unstub | '[[ -n $__csn_line ]]' | \
          'builtin return 126' | 'builtin eval "$__csn_line"') builtin return 0 ;;
      esac ;;
  esac
  # Only a prompt's own: called by hand in a script it would be a way round.
  [[ $- == *i* ]] || builtin return 1
  for __csn_l_name in "${FUNCNAME[@]:3}"; do [[ $__csn_l_name == __csn_prompt ]] && builtin return 0; done
  builtin return 1
}

# Runs before every simple command: $1 is `$?`, then the positional parameters where it runs, then `$_`. Status 1 makes bash
# skip the command. `set +T` is a command: it comes here first, and the next one turns it on again.
__csn_before() {
  [[ $- == *T* ]] || builtin set -T
  if [[ $- == *x* && -z $__csn_traced ]]; then
    __csn_traced=1
    builtin trap "$__csn_trap_traced" DEBUG
  elif [[ -n $__csn_traced && $- != *x* ]]; then
    __csn_traced=''
    builtin trap "$__csn_trap" DEBUG
  fi
  __csn_status=$1 __csn_last=${@: -1}
  __csn_debug "${@:2:$#-2}"
}

# $1…: the positional parameters.
__csn_debug() {
  builtin local -
  builtin local -a __csn_values
  __csn_values=()
  builtin local __csn_l_answer=0 __csn_l_word __csn_l_flags='' __csn_l_inner=''
  builtin set +eEufxvk
  __csn_ours && builtin return 0
  [[ -n $__csn_stub ]] && __csn_unstub
  if [[ $__csn_pending == "$BASHPID" && $__csn_result == - ]]; then __csn_result=$__csn_status; fi
  if [[ $- == *i* ]]; then
    [[ $BASH_COMMAND == __csn_prompt ]] && builtin return 0
    # Readline's completion, and a prompt's own substitutions: nothing was typed yet.
    [[ $__csn_typed == 0 && (-n ${COMP_LINE-} || $BASH_SUBSHELL != 0) ]] && builtin return 0
    [[ -n $__csn_skipping ]] && builtin return 1
    __csn_l_flags=i
  fi
  # Entering a function runs this trap once more for the call itself.
  if [[ $__csn_entered == "${#FUNCNAME[@]}:$BASH_COMMAND" ]]; then
    __csn_entered=''
    builtin return 0
  fi
  __csn_entered=''
  builtin shopt -u extdebug
  if [[ $__csn_typed == 1 && $BASH_SUBSHELL == 0 ]] && ! __csn_typed_line; then
    __csn_abandon
    builtin return
  fi
  builtin local __csn_l_text="$BASH_COMMAND"
  # In an EXIT trap bash still names the last line of this file: the trap's own text is what is about to run.
  [[ $__csn_l_text == 'trap "$__csn_trap" DEBUG' ]] && __csn_l_text=$(builtin trap -p EXIT)
  case $__csn_l_text in
    # Conditions and loop heads: what they substitute is asked about by itself.
    '[[ '* | '(('* | 'for '* | 'case '* | 'select '*)
      # All but `$(<file)`: no command of its own reads that file.
      [[ $__csn_l_text =~ \$\([[:space:]]*[0-9]*\< ]] || builtin return 0
      case $__csn_l_text in
        'for '* | 'select '*) __csn_l_text+='; do :; done' ;;
        'case '*) __csn_l_text+=' esac' ;;
      esac ;;
  esac
  # Not `${text%%[[:space:]]*}`: that takes a time that grows with the square of the length.
  [[ $__csn_l_text =~ ^[^[:space:]]* ]]
  __csn_l_word=${BASH_REMATCH[0]}
  [[ $__csn_l_word == \\* ]] && __csn_l_word=${__csn_l_word#\\}
  # A script file was judged whole when it was started; its steps that can touch nothing but its own variables are part of that.
  if [[ $__csn_scripted == 1 ]] && __csn_is_inner_step "$__csn_l_word" "$__csn_l_text"; then builtin return 0; fi
  if __csn_shimmed "$__csn_l_word"; then
    # The shim asks by itself, with the real words; twice would be a needless question.
    [[ $__csn_l_text != *[\<\>\`]* && $__csn_l_text != *'$('* ]] && builtin return 0
    [[ $__csn_l_text != *[\<\>]* ]] && __csn_l_flags+=f
  elif declare -F -- "$__csn_l_word" >/dev/null; then
    __csn_l_inner=1
    __csn_entered=$((${#FUNCNAME[@]} + 1)):$__csn_l_text
    [[ $__csn_l_text != *[\<\>]* ]] && __csn_l_flags+=f
  elif [[ $__csn_l_word == eval || $__csn_l_word == source || $__csn_l_word == . ]]; then
    __csn_l_inner=1
    [[ $__csn_l_text != *[\<\>]* ]] && __csn_l_flags+=f
  fi
  __csn_mentioned "$__csn_l_text" "$@"
  __csn_question command "$__csn_l_flags" "$__csn_l_text" "${__csn_values[@]}" || __csn_l_answer=$?
  case $__csn_l_answer in
    0)
      # What runs commands of its own is not over when the next question comes: how it ended stays unknown.
      __csn_pending='' __csn_result=-
      [[ -n $__csn_l_inner ]] || __csn_pending=$BASHPID
      builtin return 0 ;;
    10) __csn_modify "$__csn_l_word" ;;
    126) __csn_deny "$__csn_l_word" ;;
    *)
      ((__csn_l_answer > 128)) ||
        builtin printf 'countersign: denied: the question could not be asked; start again with `countersign run`\n' >&9
      __csn_deny "$__csn_l_word" ;;
  esac
}

__csn_status_is() { builtin return "$1"; }

# Before each prompt of an interactive shell: reports how the last command ended, and arms the trap again.
__csn_prompt() {
  builtin local __csn_l_status="$?" __csn_l_name
  [[ -n $__csn_limit ]] && __csn_restore "$__csn_l_status"
  [[ -n $__csn_stub ]] && __csn_unstub
  __csn_typed=0 __csn_skipping='' __csn_entered=''
  if [[ $__csn_pending == "$BASHPID" || -n $__csn_line_pending ]]; then
    __csn_pending=$BASHPID __csn_line_pending=''
    [[ $__csn_result == - ]] && __csn_result=$__csn_l_status
    __csn_question report '' 9>&2
  fi
  builtin trap "$__csn_trap" DEBUG
  builtin shopt -u extdebug
  builtin set -T
  # The person's own prompt is not the agent's doing: it neither is asked about nor meets the shims.
  PATH=${PATH#"$__csn_shim_dir":}
  for __csn_l_name in "${__csn_own_prompt[@]}"; do
    __csn_status_is "$__csn_l_status"
    builtin eval "$__csn_l_name"
  done
  [[ $PATH == "$__csn_shim_dir":* ]] || PATH=$__csn_shim_dir:$PATH
  __csn_status_is "$__csn_l_status"
}

# `$?` and `$_` are taken before anything changes them, and `$_` is put back by being the last word (`[[` leaves it alone).
# Standard error is away meanwhile, so that `set -x` shows the agent's commands and not these.
__csn_trap='{ __csn_before "$?" "$@" "$_"; } 9>&2 2>/dev/null && { [[ -z $__csn_starving ]] || __csn_starve; }'
# With `set -x` the test itself would be shown; an empty expansion is not, but it loses `$_`.
__csn_trap_traced='{ __csn_before "$?" "$@" "$_"; } 9>&2 2>/dev/null && ${__csn_starving:+__csn_starve}'
__csn_trap_starved='__csn_restore "$?" "$_"; { __csn_before "$__csn_status" "$@" "$__csn_last"; } 9>&2 2>/dev/null &&
  { [[ -z $__csn_starving ]] || __csn_starve; }'

if [[ $- == *i* ]]; then
  __csn_own_prompt=("${PROMPT_COMMAND[@]}")
  unset PROMPT_COMMAND
  if __csn_newest_line; then __csn_history=$__csn_number; fi
  unset __csn_number __csn_newest
  PROMPT_COMMAND=__csn_prompt
  PS0="${PS0-}"'${__csn_void[__csn_typed=1]-}'
  readonly PROMPT_COMMAND PS0 __csn_own_prompt
fi
# Unset, it would say no more that `hash -p` made a name mean another program.
readonly BASH_CMDS
export BASH_ENV=$__csn_env
readonly BASH_ENV __csn_scripted __csn_dir __csn_shim_dir __csn_ask __csn_env __csn_shims __csn_trap __csn_trap_traced __csn_trap_starved __csn_void __csn_own_env __csn_start
readonly -f __csn_restore __csn_starve __csn_unstub __csn_instead __csn_stand_in __csn_abandon __csn_deny __csn_modify \
  __csn_mentioned __csn_question __csn_shimmed __csn_is_inner_step __csn_newest_line __csn_typed_line __csn_ours __csn_before __csn_debug __csn_status_is __csn_prompt
set -T
trap "$__csn_trap" DEBUG

fi
