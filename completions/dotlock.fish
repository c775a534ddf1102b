# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_dotlock_global_optspecs
    string join \n h/help V/version
end

function __fish_dotlock_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_dotlock_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_dotlock_using_subcommand
    set -l cmd (__fish_dotlock_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c dotlock -n "__fish_dotlock_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_needs_command" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "locked-write" -d 'Replace a file by standard input, another file, or a command\'s output'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "write" -d 'Replace a file by standard input, another file, or a command\'s output'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "append" -d 'Append standard input to a file, whole, in order, through its write queue'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "run" -d 'Hold the locks of files or directories while a command runs'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "acquire" -d 'Acquire locks for the following commands of a script'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "release" -d 'Give back locks that \'acquire\' has taken'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "renew" -d 'Let leases end later'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "wait" -d 'Wait until files are not locked, without locking them'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "queue" -d 'Hand in changes of a file for one writer to apply, and look at what is pending'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "status" -d 'Show locks: who holds them, whether he lives, and how that is known'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "break-lock" -d 'Remove locks whose owner is provably gone'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c dotlock -n "__fish_dotlock_needs_command" -f -a "man" -d 'Write the manual pages into a directory, or print the main one'
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l from -d 'Read the new content from SRC instead of standard input' -r -F
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -s w -l wait -l timeout -d 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or \'forever\'' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -s E -l conflict-exit-code -d 'Exit with N when the lock was not free in time' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l retries -d 'Try at most N times after the first; the earlier limit wins' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l min-delay -d 'Shortest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l max-delay -d 'Longest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l stale-after -d 'Also remove a lock of which nothing can be proven, once it is this old' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l lock-file -d 'Use PATH as the lock; for a write it must be on the file system of FILE' -r -F
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l label -d 'Tell others TEXT about this holder' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l token -d 'Work under a lock that \'acquire\' has taken' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l mode -d 'Permissions of the file, in octal [default: those that it has; for a new file 666 less the umask]' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l sync -d 'What is to survive a power cut' -r -f -a "full\t'Content and name'
data\t'The file is the old one or the new one, whole'
none\t'Nothing is promised'"
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -s n -l nonblock -d 'Do not wait: the same as --wait 0'
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l no-break -d 'Do not remove locks, not even those whose owner is provably gone'
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l parents -d 'Make the directories that are missing'
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l allow-empty -d 'Let a file that is not empty become empty'
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -l json -d 'Print what was done as one JSON document'
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -s v -l verbose -d 'Say when the lock is acquired and released'
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -s q -l quiet -d 'Say nothing but errors'
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand locked-write" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l from -d 'Read the new content from SRC instead of standard input' -r -F
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -s w -l wait -l timeout -d 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or \'forever\'' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -s E -l conflict-exit-code -d 'Exit with N when the lock was not free in time' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l retries -d 'Try at most N times after the first; the earlier limit wins' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l min-delay -d 'Shortest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l max-delay -d 'Longest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l stale-after -d 'Also remove a lock of which nothing can be proven, once it is this old' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l lock-file -d 'Use PATH as the lock; for a write it must be on the file system of FILE' -r -F
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l label -d 'Tell others TEXT about this holder' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l token -d 'Work under a lock that \'acquire\' has taken' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l mode -d 'Permissions of the file, in octal [default: those that it has; for a new file 666 less the umask]' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l sync -d 'What is to survive a power cut' -r -f -a "full\t'Content and name'
data\t'The file is the old one or the new one, whole'
none\t'Nothing is promised'"
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -s n -l nonblock -d 'Do not wait: the same as --wait 0'
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l no-break -d 'Do not remove locks, not even those whose owner is provably gone'
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l parents -d 'Make the directories that are missing'
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l allow-empty -d 'Let a file that is not empty become empty'
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -l json -d 'Print what was done as one JSON document'
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -s v -l verbose -d 'Say when the lock is acquired and released'
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -s q -l quiet -d 'Say nothing but errors'
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand write" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l batch -d 'With --lines, so many lines at most go together' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l linger -d 'With --lines, wait so long at most for the next line to go together with' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l max-pending -d 'While so many are pending, write them first' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l sync -d 'What is to survive a power cut' -r -f -a "full\t'Content and name'
data\t'The file is the old one or the new one, whole'
none\t'Nothing is promised'"
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -s w -l wait -l timeout -d 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or \'forever\'' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -s E -l conflict-exit-code -d 'Exit with N when the lock was not free in time' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l retries -d 'Try at most N times after the first; the earlier limit wins' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l min-delay -d 'Shortest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l max-delay -d 'Longest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l stale-after -d 'Also remove a lock of which nothing can be proven, once it is this old' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l lock-file -d 'Use PATH as the lock; for a write it must be on the file system of FILE' -r -F
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l label -d 'Tell others TEXT about this holder' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l token -d 'Work under a lock that \'acquire\' has taken' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l lines -d 'Take each line for itself, as it comes; several go together'
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l async -d 'Return when it is durable in the queue; it is written by the next command that writes what is pending'
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l in-place -d 'Write behind FILE where it stands, rather than into a copy of it'
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -s n -l nonblock -d 'Do not wait: the same as --wait 0'
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -l no-break -d 'Do not remove locks, not even those whose owner is provably gone'
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -s v -l verbose -d 'Say when the lock is acquired and released'
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -s q -l quiet -d 'Say nothing but errors'
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand append" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -s c -l command -d 'Run STRING in a shell ($SHELL, or sh); takes exactly one FILE' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -l time-limit -d 'End CMD after TIME, with SIGTERM; the exit code is 124 then' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -l kill-after -d 'With --time-limit, end it with SIGKILL after so much more' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -s w -l wait -l timeout -d 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or \'forever\'' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -s E -l conflict-exit-code -d 'Exit with N when the lock was not free in time' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -l retries -d 'Try at most N times after the first; the earlier limit wins' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -l min-delay -d 'Shortest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -l max-delay -d 'Longest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -l stale-after -d 'Also remove a lock of which nothing can be proven, once it is this old' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -l lock-file -d 'Use PATH as the lock; for a write it must be on the file system of FILE' -r -F
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -l label -d 'Tell others TEXT about this holder' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -l token -d 'Work under a lock that \'acquire\' has taken' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -s o -l close -d 'Do not let CMD keep the locks alive when dotlock is killed'
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -s x -s e -l exclusive -d 'Exclude everybody else; it is so anyway'
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -s n -l nonblock -d 'Do not wait: the same as --wait 0'
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -l no-break -d 'Do not remove locks, not even those whose owner is provably gone'
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -s v -l verbose -d 'Say when the lock is acquired and released'
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -s q -l quiet -d 'Say nothing but errors'
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand run" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l for-pid -d 'Free the locks when process PID ends; $$ is the script itself' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l lease -d 'Free the locks after TIME, unless they are renewed' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l export -d 'Print lines for a shell that set DOTLOCK_HELD, instead of tokens' -r -f -a "sh\t'sh, bash, zsh and their kin'
fish\t''
powershell\t''"
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -s w -l wait -l timeout -d 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or \'forever\'' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -s E -l conflict-exit-code -d 'Exit with N when the lock was not free in time' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l retries -d 'Try at most N times after the first; the earlier limit wins' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l min-delay -d 'Shortest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l max-delay -d 'Longest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l stale-after -d 'Also remove a lock of which nothing can be proven, once it is this old' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l lock-file -d 'Use PATH as the lock; for a write it must be on the file system of FILE' -r -F
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l label -d 'Tell others TEXT about this holder' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l token -d 'Work under a lock that \'acquire\' has taken' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l github-env -d 'Append DOTLOCK_HELD to the file that GITHUB_ENV names, and print nothing'
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l json -d 'Print one JSON document'
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -s n -l nonblock -d 'Do not wait: the same as --wait 0'
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -l no-break -d 'Do not remove locks, not even those whose owner is provably gone'
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -s v -l verbose -d 'Say when the lock is acquired and released'
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -s q -l quiet -d 'Say nothing but errors'
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand acquire" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand release" -l export -d 'Print lines for a shell that take the locks out of DOTLOCK_HELD' -r -f -a "sh\t'sh, bash, zsh and their kin'
fish\t''
powershell\t''"
complete -c dotlock -n "__fish_dotlock_using_subcommand release" -s w -l wait -l timeout -d 'Wait at most TIME for those who work under the lock' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand release" -s v -l verbose -d 'Say when the lock is acquired and released'
complete -c dotlock -n "__fish_dotlock_using_subcommand release" -s q -l quiet -d 'Say nothing but errors'
complete -c dotlock -n "__fish_dotlock_using_subcommand release" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand release" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand renew" -l lease -d 'Let them end TIME from now, if they would end before' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand renew" -s v -l verbose -d 'Say when the lock is acquired and released'
complete -c dotlock -n "__fish_dotlock_using_subcommand renew" -s q -l quiet -d 'Say nothing but errors'
complete -c dotlock -n "__fish_dotlock_using_subcommand renew" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand renew" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand wait" -s w -l wait -l timeout -d 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or \'forever\'' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand wait" -s E -l conflict-exit-code -d 'Exit with N when they were not free in time' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand wait" -s n -l nonblock -d 'Only look: the same as --wait 0'
complete -c dotlock -n "__fish_dotlock_using_subcommand wait" -s v -l verbose -d 'Say when the lock is acquired and released'
complete -c dotlock -n "__fish_dotlock_using_subcommand wait" -s q -l quiet -d 'Say nothing but errors'
complete -c dotlock -n "__fish_dotlock_using_subcommand wait" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand wait" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and not __fish_seen_subcommand_from push drain list cat" -s h -l help -d 'Print help'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and not __fish_seen_subcommand_from push drain list cat" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and not __fish_seen_subcommand_from push drain list cat" -f -a "push" -d 'Hand in one change, from standard input'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and not __fish_seen_subcommand_from push drain list cat" -f -a "drain" -d 'Write what is pending, and return when nothing is'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and not __fish_seen_subcommand_from push drain list cat" -f -a "list" -d 'Show what is pending, and who handed it in'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and not __fish_seen_subcommand_from push drain list cat" -f -a "cat" -d 'Print the file as it will be when all that is pending is written'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l max-pending -d 'While so many are pending, write them first' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l sync -d 'What is to survive a power cut' -r -f -a "full\t'Content and name'
data\t'The file is the old one or the new one, whole'
none\t'Nothing is promised'"
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -s w -l wait -l timeout -d 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or \'forever\'' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -s E -l conflict-exit-code -d 'Exit with N when the lock was not free in time' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l retries -d 'Try at most N times after the first; the earlier limit wins' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l min-delay -d 'Shortest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l max-delay -d 'Longest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l stale-after -d 'Also remove a lock of which nothing can be proven, once it is this old' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l lock-file -d 'Use PATH as the lock; for a write it must be on the file system of FILE' -r -F
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l label -d 'Tell others TEXT about this holder' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l token -d 'Work under a lock that \'acquire\' has taken' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l append -d 'Put it at the end; the default'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l replace -d 'Make it the whole content; of several in the queue only the last counts'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l merge -d 'It is a JSON merge patch (RFC 7396): an object whose members are set, or removed where they are null'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l json-patch -d 'It is a JSON patch (RFC 6902): a list of operations, all or none'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l async -d 'Return when it is durable in the queue; it is written by the next command that writes what is pending'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l allow-empty -d 'Let a file become empty by --replace'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -s n -l nonblock -d 'Do not wait: the same as --wait 0'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -l no-break -d 'Do not remove locks, not even those whose owner is provably gone'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -s v -l verbose -d 'Say when the lock is acquired and released'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -s q -l quiet -d 'Say nothing but errors'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from push" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -l debounce -d 'With --follow, write when nothing has come for TIME (or ten times TIME is over)' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -l sync -d 'What is to survive a power cut' -r -f -a "full\t'Content and name'
data\t'The file is the old one or the new one, whole'
none\t'Nothing is promised'"
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -s w -l wait -l timeout -d 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or \'forever\'' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -s E -l conflict-exit-code -d 'Exit with N when the lock was not free in time' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -l retries -d 'Try at most N times after the first; the earlier limit wins' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -l min-delay -d 'Shortest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -l max-delay -d 'Longest pause between tries, where nothing can wake us' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -l stale-after -d 'Also remove a lock of which nothing can be proven, once it is this old' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -l lock-file -d 'Use PATH as the lock; for a write it must be on the file system of FILE' -r -F
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -l label -d 'Tell others TEXT about this holder' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -l token -d 'Work under a lock that \'acquire\' has taken' -r
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -l follow -d 'Stay and write whatever comes, until a signal; then finish, and exit with 0'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -l json -d 'Print what was done as one JSON document'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -s n -l nonblock -d 'Do not wait: the same as --wait 0'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -l no-break -d 'Do not remove locks, not even those whose owner is provably gone'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -s v -l verbose -d 'Say when the lock is acquired and released'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -s q -l quiet -d 'Say nothing but errors'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from drain" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from list" -l verify -d 'Only look whether the queue is sound: exit with 1 if something is damaged'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from list" -l json -d 'Print one JSON document'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from list" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from cat" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand queue; and __fish_seen_subcommand_from cat" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand status" -s r -l recursive -d 'Also in the directories below; links to directories are not followed'
complete -c dotlock -n "__fish_dotlock_using_subcommand status" -l cross -d 'Below, also where other file systems are mounted'
complete -c dotlock -n "__fish_dotlock_using_subcommand status" -l held -d 'Show held locks (with --stale and --foreign: those, too)'
complete -c dotlock -n "__fish_dotlock_using_subcommand status" -l stale -d 'Show stale locks'
complete -c dotlock -n "__fish_dotlock_using_subcommand status" -l foreign -d 'Show foreign locks'
complete -c dotlock -n "__fish_dotlock_using_subcommand status" -l check -d 'Exit with 4 if something is held or foreign, with 5 if there are only stale locks'
complete -c dotlock -n "__fish_dotlock_using_subcommand status" -l json -d 'Print one JSON document'
complete -c dotlock -n "__fish_dotlock_using_subcommand status" -s q -l quiet -d 'Print nothing; for --check'
complete -c dotlock -n "__fish_dotlock_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand status" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand break-lock" -s f -l force -d 'Also break locks of which nothing is proven; never one that is alive'
complete -c dotlock -n "__fish_dotlock_using_subcommand break-lock" -s y -l yes -d 'With --force, do not ask'
complete -c dotlock -n "__fish_dotlock_using_subcommand break-lock" -s r -l recursive -d 'Every lock in the directories and below'
complete -c dotlock -n "__fish_dotlock_using_subcommand break-lock" -l cross -d 'With --recursive, also where other file systems are mounted'
complete -c dotlock -n "__fish_dotlock_using_subcommand break-lock" -l discard -d 'Throw away what had been written into the lock'
complete -c dotlock -n "__fish_dotlock_using_subcommand break-lock" -s n -l dry-run -d 'Only say what would be done'
complete -c dotlock -n "__fish_dotlock_using_subcommand break-lock" -s q -l quiet -d 'Say nothing but errors'
complete -c dotlock -n "__fish_dotlock_using_subcommand break-lock" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand break-lock" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand completions" -s V -l version -d 'Print version'
complete -c dotlock -n "__fish_dotlock_using_subcommand man" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c dotlock -n "__fish_dotlock_using_subcommand man" -s V -l version -d 'Print version'
