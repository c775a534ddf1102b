
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'dotlock' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'dotlock'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'dotlock' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('locked-write', 'locked-write', [CompletionResultType]::ParameterValue, 'Replace a file by standard input, another file, or a command''s output')
            [CompletionResult]::new('write', 'write', [CompletionResultType]::ParameterValue, 'Replace a file by standard input, another file, or a command''s output')
            [CompletionResult]::new('append', 'append', [CompletionResultType]::ParameterValue, 'Append standard input to a file, whole, in order, through its write queue')
            [CompletionResult]::new('run', 'run', [CompletionResultType]::ParameterValue, 'Hold the locks of files or directories while a command runs')
            [CompletionResult]::new('acquire', 'acquire', [CompletionResultType]::ParameterValue, 'Acquire locks for the following commands of a script')
            [CompletionResult]::new('release', 'release', [CompletionResultType]::ParameterValue, 'Give back locks that ''acquire'' has taken')
            [CompletionResult]::new('renew', 'renew', [CompletionResultType]::ParameterValue, 'Let leases end later')
            [CompletionResult]::new('wait', 'wait', [CompletionResultType]::ParameterValue, 'Wait until files are not locked, without locking them')
            [CompletionResult]::new('queue', 'queue', [CompletionResultType]::ParameterValue, 'Hand in changes of a file for one writer to apply, and look at what is pending')
            [CompletionResult]::new('status', 'status', [CompletionResultType]::ParameterValue, 'Show locks: who holds them, whether he lives, and how that is known')
            [CompletionResult]::new('break-lock', 'break-lock', [CompletionResultType]::ParameterValue, 'Remove locks whose owner is provably gone')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print a completion script for a shell')
            [CompletionResult]::new('man', 'man', [CompletionResultType]::ParameterValue, 'Write the manual pages into a directory, or print the main one')
            break
        }
        'dotlock;locked-write' {
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Read the new content from SRC instead of standard input')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('-E', '-E ', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--conflict-exit-code', '--conflict-exit-code', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'Try at most N times after the first; the earlier limit wins')
            [CompletionResult]::new('--min-delay', '--min-delay', [CompletionResultType]::ParameterName, 'Shortest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--max-delay', '--max-delay', [CompletionResultType]::ParameterName, 'Longest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--stale-after', '--stale-after', [CompletionResultType]::ParameterName, 'Also remove a lock of which nothing can be proven, once it is this old')
            [CompletionResult]::new('--lock-file', '--lock-file', [CompletionResultType]::ParameterName, 'Use PATH as the lock; for a write it must be on the file system of FILE')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Tell others TEXT about this holder')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'Work under a lock that ''acquire'' has taken')
            [CompletionResult]::new('--mode', '--mode', [CompletionResultType]::ParameterName, 'Permissions of the file, in octal [default: those that it has; for a new file 666 less the umask]')
            [CompletionResult]::new('--sync', '--sync', [CompletionResultType]::ParameterName, 'What is to survive a power cut')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--nonblock', '--nonblock', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--no-break', '--no-break', [CompletionResultType]::ParameterName, 'Do not remove locks, not even those whose owner is provably gone')
            [CompletionResult]::new('--parents', '--parents', [CompletionResultType]::ParameterName, 'Make the directories that are missing')
            [CompletionResult]::new('--allow-empty', '--allow-empty', [CompletionResultType]::ParameterName, 'Let a file that is not empty become empty')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print what was done as one JSON document')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;write' {
            [CompletionResult]::new('--from', '--from', [CompletionResultType]::ParameterName, 'Read the new content from SRC instead of standard input')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('-E', '-E ', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--conflict-exit-code', '--conflict-exit-code', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'Try at most N times after the first; the earlier limit wins')
            [CompletionResult]::new('--min-delay', '--min-delay', [CompletionResultType]::ParameterName, 'Shortest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--max-delay', '--max-delay', [CompletionResultType]::ParameterName, 'Longest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--stale-after', '--stale-after', [CompletionResultType]::ParameterName, 'Also remove a lock of which nothing can be proven, once it is this old')
            [CompletionResult]::new('--lock-file', '--lock-file', [CompletionResultType]::ParameterName, 'Use PATH as the lock; for a write it must be on the file system of FILE')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Tell others TEXT about this holder')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'Work under a lock that ''acquire'' has taken')
            [CompletionResult]::new('--mode', '--mode', [CompletionResultType]::ParameterName, 'Permissions of the file, in octal [default: those that it has; for a new file 666 less the umask]')
            [CompletionResult]::new('--sync', '--sync', [CompletionResultType]::ParameterName, 'What is to survive a power cut')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--nonblock', '--nonblock', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--no-break', '--no-break', [CompletionResultType]::ParameterName, 'Do not remove locks, not even those whose owner is provably gone')
            [CompletionResult]::new('--parents', '--parents', [CompletionResultType]::ParameterName, 'Make the directories that are missing')
            [CompletionResult]::new('--allow-empty', '--allow-empty', [CompletionResultType]::ParameterName, 'Let a file that is not empty become empty')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print what was done as one JSON document')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;append' {
            [CompletionResult]::new('--batch', '--batch', [CompletionResultType]::ParameterName, 'With --lines, so many lines at most go together')
            [CompletionResult]::new('--linger', '--linger', [CompletionResultType]::ParameterName, 'With --lines, wait so long at most for the next line to go together with')
            [CompletionResult]::new('--max-pending', '--max-pending', [CompletionResultType]::ParameterName, 'While so many are pending, write them first')
            [CompletionResult]::new('--sync', '--sync', [CompletionResultType]::ParameterName, 'What is to survive a power cut')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('-E', '-E ', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--conflict-exit-code', '--conflict-exit-code', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'Try at most N times after the first; the earlier limit wins')
            [CompletionResult]::new('--min-delay', '--min-delay', [CompletionResultType]::ParameterName, 'Shortest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--max-delay', '--max-delay', [CompletionResultType]::ParameterName, 'Longest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--stale-after', '--stale-after', [CompletionResultType]::ParameterName, 'Also remove a lock of which nothing can be proven, once it is this old')
            [CompletionResult]::new('--lock-file', '--lock-file', [CompletionResultType]::ParameterName, 'Use PATH as the lock; for a write it must be on the file system of FILE')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Tell others TEXT about this holder')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'Work under a lock that ''acquire'' has taken')
            [CompletionResult]::new('--lines', '--lines', [CompletionResultType]::ParameterName, 'Take each line for itself, as it comes; several go together')
            [CompletionResult]::new('--async', '--async', [CompletionResultType]::ParameterName, 'Return when it is durable in the queue; it is written by the next command that writes what is pending')
            [CompletionResult]::new('--in-place', '--in-place', [CompletionResultType]::ParameterName, 'Write behind FILE where it stands, rather than into a copy of it')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--nonblock', '--nonblock', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--no-break', '--no-break', [CompletionResultType]::ParameterName, 'Do not remove locks, not even those whose owner is provably gone')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;run' {
            [CompletionResult]::new('-c', '-c', [CompletionResultType]::ParameterName, 'Run STRING in a shell ($SHELL, or sh); takes exactly one FILE')
            [CompletionResult]::new('--command', '--command', [CompletionResultType]::ParameterName, 'Run STRING in a shell ($SHELL, or sh); takes exactly one FILE')
            [CompletionResult]::new('--time-limit', '--time-limit', [CompletionResultType]::ParameterName, 'End CMD after TIME, with SIGTERM; the exit code is 124 then')
            [CompletionResult]::new('--kill-after', '--kill-after', [CompletionResultType]::ParameterName, 'With --time-limit, end it with SIGKILL after so much more')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('-E', '-E ', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--conflict-exit-code', '--conflict-exit-code', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'Try at most N times after the first; the earlier limit wins')
            [CompletionResult]::new('--min-delay', '--min-delay', [CompletionResultType]::ParameterName, 'Shortest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--max-delay', '--max-delay', [CompletionResultType]::ParameterName, 'Longest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--stale-after', '--stale-after', [CompletionResultType]::ParameterName, 'Also remove a lock of which nothing can be proven, once it is this old')
            [CompletionResult]::new('--lock-file', '--lock-file', [CompletionResultType]::ParameterName, 'Use PATH as the lock; for a write it must be on the file system of FILE')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Tell others TEXT about this holder')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'Work under a lock that ''acquire'' has taken')
            [CompletionResult]::new('-o', '-o', [CompletionResultType]::ParameterName, 'Do not let CMD keep the locks alive when dotlock is killed')
            [CompletionResult]::new('--close', '--close', [CompletionResultType]::ParameterName, 'Do not let CMD keep the locks alive when dotlock is killed')
            [CompletionResult]::new('-x', '-x', [CompletionResultType]::ParameterName, 'Exclude everybody else; it is so anyway')
            [CompletionResult]::new('-e', '-e', [CompletionResultType]::ParameterName, 'Exclude everybody else; it is so anyway')
            [CompletionResult]::new('--exclusive', '--exclusive', [CompletionResultType]::ParameterName, 'Exclude everybody else; it is so anyway')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--nonblock', '--nonblock', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--no-break', '--no-break', [CompletionResultType]::ParameterName, 'Do not remove locks, not even those whose owner is provably gone')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;acquire' {
            [CompletionResult]::new('--for-pid', '--for-pid', [CompletionResultType]::ParameterName, 'Free the locks when process PID ends; $$ is the script itself')
            [CompletionResult]::new('--lease', '--lease', [CompletionResultType]::ParameterName, 'Free the locks after TIME, unless they are renewed')
            [CompletionResult]::new('--export', '--export', [CompletionResultType]::ParameterName, 'Print lines for a shell that set DOTLOCK_HELD, instead of tokens')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('-E', '-E ', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--conflict-exit-code', '--conflict-exit-code', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'Try at most N times after the first; the earlier limit wins')
            [CompletionResult]::new('--min-delay', '--min-delay', [CompletionResultType]::ParameterName, 'Shortest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--max-delay', '--max-delay', [CompletionResultType]::ParameterName, 'Longest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--stale-after', '--stale-after', [CompletionResultType]::ParameterName, 'Also remove a lock of which nothing can be proven, once it is this old')
            [CompletionResult]::new('--lock-file', '--lock-file', [CompletionResultType]::ParameterName, 'Use PATH as the lock; for a write it must be on the file system of FILE')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Tell others TEXT about this holder')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'Work under a lock that ''acquire'' has taken')
            [CompletionResult]::new('--github-env', '--github-env', [CompletionResultType]::ParameterName, 'Append DOTLOCK_HELD to the file that GITHUB_ENV names, and print nothing')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON document')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--nonblock', '--nonblock', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--no-break', '--no-break', [CompletionResultType]::ParameterName, 'Do not remove locks, not even those whose owner is provably gone')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;release' {
            [CompletionResult]::new('--export', '--export', [CompletionResultType]::ParameterName, 'Print lines for a shell that take the locks out of DOTLOCK_HELD')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait at most TIME for those who work under the lock')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait at most TIME for those who work under the lock')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait at most TIME for those who work under the lock')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;renew' {
            [CompletionResult]::new('--lease', '--lease', [CompletionResultType]::ParameterName, 'Let them end TIME from now, if they would end before')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;wait' {
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('-E', '-E ', [CompletionResultType]::ParameterName, 'Exit with N when they were not free in time')
            [CompletionResult]::new('--conflict-exit-code', '--conflict-exit-code', [CompletionResultType]::ParameterName, 'Exit with N when they were not free in time')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only look: the same as --wait 0')
            [CompletionResult]::new('--nonblock', '--nonblock', [CompletionResultType]::ParameterName, 'Only look: the same as --wait 0')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;queue' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('push', 'push', [CompletionResultType]::ParameterValue, 'Hand in one change, from standard input')
            [CompletionResult]::new('drain', 'drain', [CompletionResultType]::ParameterValue, 'Write what is pending, and return when nothing is')
            [CompletionResult]::new('list', 'list', [CompletionResultType]::ParameterValue, 'Show what is pending, and who handed it in')
            [CompletionResult]::new('cat', 'cat', [CompletionResultType]::ParameterValue, 'Print the file as it will be when all that is pending is written')
            break
        }
        'dotlock;queue;push' {
            [CompletionResult]::new('--max-pending', '--max-pending', [CompletionResultType]::ParameterName, 'While so many are pending, write them first')
            [CompletionResult]::new('--sync', '--sync', [CompletionResultType]::ParameterName, 'What is to survive a power cut')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('-E', '-E ', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--conflict-exit-code', '--conflict-exit-code', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'Try at most N times after the first; the earlier limit wins')
            [CompletionResult]::new('--min-delay', '--min-delay', [CompletionResultType]::ParameterName, 'Shortest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--max-delay', '--max-delay', [CompletionResultType]::ParameterName, 'Longest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--stale-after', '--stale-after', [CompletionResultType]::ParameterName, 'Also remove a lock of which nothing can be proven, once it is this old')
            [CompletionResult]::new('--lock-file', '--lock-file', [CompletionResultType]::ParameterName, 'Use PATH as the lock; for a write it must be on the file system of FILE')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Tell others TEXT about this holder')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'Work under a lock that ''acquire'' has taken')
            [CompletionResult]::new('--append', '--append', [CompletionResultType]::ParameterName, 'Put it at the end; the default')
            [CompletionResult]::new('--replace', '--replace', [CompletionResultType]::ParameterName, 'Make it the whole content; of several in the queue only the last counts')
            [CompletionResult]::new('--merge', '--merge', [CompletionResultType]::ParameterName, 'It is a JSON merge patch (RFC 7396): an object whose members are set, or removed where they are null')
            [CompletionResult]::new('--json-patch', '--json-patch', [CompletionResultType]::ParameterName, 'It is a JSON patch (RFC 6902): a list of operations, all or none')
            [CompletionResult]::new('--async', '--async', [CompletionResultType]::ParameterName, 'Return when it is durable in the queue; it is written by the next command that writes what is pending')
            [CompletionResult]::new('--allow-empty', '--allow-empty', [CompletionResultType]::ParameterName, 'Let a file become empty by --replace')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--nonblock', '--nonblock', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--no-break', '--no-break', [CompletionResultType]::ParameterName, 'Do not remove locks, not even those whose owner is provably gone')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;queue;drain' {
            [CompletionResult]::new('--debounce', '--debounce', [CompletionResultType]::ParameterName, 'With --follow, write when nothing has come for TIME (or ten times TIME is over)')
            [CompletionResult]::new('--sync', '--sync', [CompletionResultType]::ParameterName, 'What is to survive a power cut')
            [CompletionResult]::new('-w', '-w', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--wait', '--wait', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('--timeout', '--timeout', [CompletionResultType]::ParameterName, 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever''')
            [CompletionResult]::new('-E', '-E ', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--conflict-exit-code', '--conflict-exit-code', [CompletionResultType]::ParameterName, 'Exit with N when the lock was not free in time')
            [CompletionResult]::new('--retries', '--retries', [CompletionResultType]::ParameterName, 'Try at most N times after the first; the earlier limit wins')
            [CompletionResult]::new('--min-delay', '--min-delay', [CompletionResultType]::ParameterName, 'Shortest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--max-delay', '--max-delay', [CompletionResultType]::ParameterName, 'Longest pause between tries, where nothing can wake us')
            [CompletionResult]::new('--stale-after', '--stale-after', [CompletionResultType]::ParameterName, 'Also remove a lock of which nothing can be proven, once it is this old')
            [CompletionResult]::new('--lock-file', '--lock-file', [CompletionResultType]::ParameterName, 'Use PATH as the lock; for a write it must be on the file system of FILE')
            [CompletionResult]::new('--label', '--label', [CompletionResultType]::ParameterName, 'Tell others TEXT about this holder')
            [CompletionResult]::new('--token', '--token', [CompletionResultType]::ParameterName, 'Work under a lock that ''acquire'' has taken')
            [CompletionResult]::new('--follow', '--follow', [CompletionResultType]::ParameterName, 'Stay and write whatever comes, until a signal; then finish, and exit with 0')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print what was done as one JSON document')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--nonblock', '--nonblock', [CompletionResultType]::ParameterName, 'Do not wait: the same as --wait 0')
            [CompletionResult]::new('--no-break', '--no-break', [CompletionResultType]::ParameterName, 'Do not remove locks, not even those whose owner is provably gone')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Say when the lock is acquired and released')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;queue;list' {
            [CompletionResult]::new('--verify', '--verify', [CompletionResultType]::ParameterName, 'Only look whether the queue is sound: exit with 1 if something is damaged')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON document')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;queue;cat' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;status' {
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Also in the directories below; links to directories are not followed')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Also in the directories below; links to directories are not followed')
            [CompletionResult]::new('--cross', '--cross', [CompletionResultType]::ParameterName, 'Below, also where other file systems are mounted')
            [CompletionResult]::new('--held', '--held', [CompletionResultType]::ParameterName, 'Show held locks (with --stale and --foreign: those, too)')
            [CompletionResult]::new('--stale', '--stale', [CompletionResultType]::ParameterName, 'Show stale locks')
            [CompletionResult]::new('--foreign', '--foreign', [CompletionResultType]::ParameterName, 'Show foreign locks')
            [CompletionResult]::new('--check', '--check', [CompletionResultType]::ParameterName, 'Exit with 4 if something is held or foreign, with 5 if there are only stale locks')
            [CompletionResult]::new('--json', '--json', [CompletionResultType]::ParameterName, 'Print one JSON document')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Print nothing; for --check')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Print nothing; for --check')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;break-lock' {
            [CompletionResult]::new('-f', '-f', [CompletionResultType]::ParameterName, 'Also break locks of which nothing is proven; never one that is alive')
            [CompletionResult]::new('--force', '--force', [CompletionResultType]::ParameterName, 'Also break locks of which nothing is proven; never one that is alive')
            [CompletionResult]::new('-y', '-y', [CompletionResultType]::ParameterName, 'With --force, do not ask')
            [CompletionResult]::new('--yes', '--yes', [CompletionResultType]::ParameterName, 'With --force, do not ask')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Every lock in the directories and below')
            [CompletionResult]::new('--recursive', '--recursive', [CompletionResultType]::ParameterName, 'Every lock in the directories and below')
            [CompletionResult]::new('--cross', '--cross', [CompletionResultType]::ParameterName, 'With --recursive, also where other file systems are mounted')
            [CompletionResult]::new('--discard', '--discard', [CompletionResultType]::ParameterName, 'Throw away what had been written into the lock')
            [CompletionResult]::new('-n', '-n', [CompletionResultType]::ParameterName, 'Only say what would be done')
            [CompletionResult]::new('--dry-run', '--dry-run', [CompletionResultType]::ParameterName, 'Only say what would be done')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'Say nothing but errors')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;completions' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
        'dotlock;man' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
