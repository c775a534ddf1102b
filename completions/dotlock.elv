
use builtin;
use str;

set edit:completion:arg-completer[dotlock] = {|@words|
    fn spaces {|n|
        builtin:repeat $n ' ' | str:join ''
    }
    fn cand {|text desc|
        edit:complex-candidate $text &display=$text' '(spaces (- 14 (wcswidth $text)))$desc
    }
    var command = 'dotlock'
    for word $words[1..-1] {
        if (str:has-prefix $word '-') {
            break
        }
        set command = $command';'$word
    }
    var completions = [
        &'dotlock'= {
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
            cand locked-write 'Replace a file by standard input, another file, or a command''s output'
            cand write 'Replace a file by standard input, another file, or a command''s output'
            cand status 'Show locks: who holds them, whether he lives, and how that is known'
            cand break-lock 'Remove locks whose owner is provably gone'
            cand completions 'Print a completion script for a shell'
            cand man 'Write the manual pages into a directory, or print the main one'
        }
        &'dotlock;locked-write'= {
            cand --from 'Read the new content from SRC instead of standard input'
            cand -w 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever'''
            cand --wait 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever'''
            cand --timeout 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever'''
            cand -E 'Exit with N when the lock was not free in time'
            cand --conflict-exit-code 'Exit with N when the lock was not free in time'
            cand --retries 'Try at most N times after the first; the earlier limit wins'
            cand --min-delay 'Shortest pause between tries, where nothing can wake us'
            cand --max-delay 'Longest pause between tries, where nothing can wake us'
            cand --stale-after 'Also remove a lock of which nothing can be proven, once it is this old'
            cand --lock-file 'Use PATH as the lock; it must be on the file system of FILE'
            cand --label 'Tell others TEXT about this holder'
            cand --mode 'Permissions of the file, in octal [default: those that it has; for a new file 666 less the umask]'
            cand --sync 'What is to survive a power cut'
            cand -n 'Do not wait: the same as --wait 0'
            cand --nonblock 'Do not wait: the same as --wait 0'
            cand --no-break 'Do not remove locks, not even those whose owner is provably gone'
            cand --parents 'Make the directories that are missing'
            cand --allow-empty 'Let a file that is not empty become empty'
            cand --json 'Print what was done as one JSON document'
            cand -v 'Say when the lock is acquired and released'
            cand --verbose 'Say when the lock is acquired and released'
            cand -q 'Say nothing but errors'
            cand --quiet 'Say nothing but errors'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'dotlock;write'= {
            cand --from 'Read the new content from SRC instead of standard input'
            cand -w 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever'''
            cand --wait 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever'''
            cand --timeout 'Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or ''forever'''
            cand -E 'Exit with N when the lock was not free in time'
            cand --conflict-exit-code 'Exit with N when the lock was not free in time'
            cand --retries 'Try at most N times after the first; the earlier limit wins'
            cand --min-delay 'Shortest pause between tries, where nothing can wake us'
            cand --max-delay 'Longest pause between tries, where nothing can wake us'
            cand --stale-after 'Also remove a lock of which nothing can be proven, once it is this old'
            cand --lock-file 'Use PATH as the lock; it must be on the file system of FILE'
            cand --label 'Tell others TEXT about this holder'
            cand --mode 'Permissions of the file, in octal [default: those that it has; for a new file 666 less the umask]'
            cand --sync 'What is to survive a power cut'
            cand -n 'Do not wait: the same as --wait 0'
            cand --nonblock 'Do not wait: the same as --wait 0'
            cand --no-break 'Do not remove locks, not even those whose owner is provably gone'
            cand --parents 'Make the directories that are missing'
            cand --allow-empty 'Let a file that is not empty become empty'
            cand --json 'Print what was done as one JSON document'
            cand -v 'Say when the lock is acquired and released'
            cand --verbose 'Say when the lock is acquired and released'
            cand -q 'Say nothing but errors'
            cand --quiet 'Say nothing but errors'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'dotlock;status'= {
            cand -r 'Also in the directories below; links to directories are not followed'
            cand --recursive 'Also in the directories below; links to directories are not followed'
            cand --cross 'Below, also where other file systems are mounted'
            cand --held 'Show held locks (with --stale and --foreign: those, too)'
            cand --stale 'Show stale locks'
            cand --foreign 'Show foreign locks'
            cand --check 'Exit with 4 if something is held or foreign, with 5 if there are only stale locks'
            cand --json 'Print one JSON document'
            cand -q 'Print nothing; for --check'
            cand --quiet 'Print nothing; for --check'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'dotlock;break-lock'= {
            cand -f 'Also break locks of which nothing is proven; never one that is alive'
            cand --force 'Also break locks of which nothing is proven; never one that is alive'
            cand -y 'With --force, do not ask'
            cand --yes 'With --force, do not ask'
            cand -r 'Every lock in the directories and below'
            cand --recursive 'Every lock in the directories and below'
            cand --cross 'With --recursive, also where other file systems are mounted'
            cand --discard 'Throw away what had been written into the lock'
            cand -n 'Only say what would be done'
            cand --dry-run 'Only say what would be done'
            cand -q 'Say nothing but errors'
            cand --quiet 'Say nothing but errors'
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'dotlock;completions'= {
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
        &'dotlock;man'= {
            cand -h 'Print help (see more with ''--help'')'
            cand --help 'Print help (see more with ''--help'')'
            cand -V 'Print version'
            cand --version 'Print version'
        }
    ]
    $completions[$command]
}
