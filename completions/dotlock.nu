module completions {

  # Git-style .lock files from the command line: safe writes that wait, clean up after themselves, and take over from the dead
  export extern dotlock [
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
  ]

  def "nu-complete dotlock locked-write sync" [] {
    [ "full" "data" "none" ]
  }

  # Replace a file by standard input, another file, or a command's output
  export extern "dotlock locked-write" [
    --from: path              # Read the new content from SRC instead of standard input
    --wait(-w): string        # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --timeout: string         # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --nonblock(-n)            # Do not wait: the same as --wait 0
    --conflict-exit-code(-E): string # Exit with N when the lock was not free in time
    --retries: string         # Try at most N times after the first; the earlier limit wins
    --min-delay: string       # Shortest pause between tries, where nothing can wake us
    --max-delay: string       # Longest pause between tries, where nothing can wake us
    --stale-after: string     # Also remove a lock of which nothing can be proven, once it is this old
    --no-break                # Do not remove locks, not even those whose owner is provably gone
    --lock-file: path         # Use PATH as the lock; for a write it must be on the file system of FILE
    --label: string           # Tell others TEXT about this holder
    --token: string           # Work under a lock that 'acquire' has taken
    --mode: string            # Permissions of the file, in octal [default: those that it has; for a new file 666 less the umask]
    --sync: string@"nu-complete dotlock locked-write sync" # What is to survive a power cut
    --parents                 # Make the directories that are missing
    --allow-empty             # Let a file that is not empty become empty
    --json                    # Print what was done as one JSON document
    --verbose(-v)             # Say when the lock is acquired and released
    --quiet(-q)               # Say nothing but errors
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    file: path                # The file to write; it need not exist
  ]

  def "nu-complete dotlock append sync" [] {
    [ "full" "data" "none" ]
  }

  # Append standard input to a file, whole, in order, through its write queue
  export extern "dotlock append" [
    --lines                   # Take each line for itself, as it comes; several go together
    --batch: string           # With --lines, so many lines at most go together
    --linger: string          # With --lines, wait so long at most for the next line to go together with
    --async                   # Return when it is durable in the queue; it is written by the next command that writes what is pending
    --max-pending: string     # While so many are pending, write them first
    --sync: string@"nu-complete dotlock append sync" # What is to survive a power cut
    --in-place                # Write behind FILE where it stands, rather than into a copy of it
    --wait(-w): string        # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --timeout: string         # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --nonblock(-n)            # Do not wait: the same as --wait 0
    --conflict-exit-code(-E): string # Exit with N when the lock was not free in time
    --retries: string         # Try at most N times after the first; the earlier limit wins
    --min-delay: string       # Shortest pause between tries, where nothing can wake us
    --max-delay: string       # Longest pause between tries, where nothing can wake us
    --stale-after: string     # Also remove a lock of which nothing can be proven, once it is this old
    --no-break                # Do not remove locks, not even those whose owner is provably gone
    --lock-file: path         # Use PATH as the lock; for a write it must be on the file system of FILE
    --label: string           # Tell others TEXT about this holder
    --token: string           # Work under a lock that 'acquire' has taken
    --verbose(-v)             # Say when the lock is acquired and released
    --quiet(-q)               # Say nothing but errors
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    file: path                # The file; it need not exist
  ]

  # Hold the locks of files or directories while a command runs
  export extern "dotlock run" [
    --command(-c): string     # Run STRING in a shell ($SHELL, or sh); takes exactly one FILE
    --close(-o)               # Do not let CMD keep the locks alive when dotlock is killed
    --exclusive(-x)           # Exclude everybody else; it is so anyway
    -e                        # Exclude everybody else; it is so anyway
    --time-limit: string      # End CMD after TIME, with SIGTERM; the exit code is 124 then
    --kill-after: string      # With --time-limit, end it with SIGKILL after so much more
    --wait(-w): string        # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --timeout: string         # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --nonblock(-n)            # Do not wait: the same as --wait 0
    --conflict-exit-code(-E): string # Exit with N when the lock was not free in time
    --retries: string         # Try at most N times after the first; the earlier limit wins
    --min-delay: string       # Shortest pause between tries, where nothing can wake us
    --max-delay: string       # Longest pause between tries, where nothing can wake us
    --stale-after: string     # Also remove a lock of which nothing can be proven, once it is this old
    --no-break                # Do not remove locks, not even those whose owner is provably gone
    --lock-file: path         # Use PATH as the lock; for a write it must be on the file system of FILE
    --label: string           # Tell others TEXT about this holder
    --token: string           # Work under a lock that 'acquire' has taken
    --verbose(-v)             # Say when the lock is acquired and released
    --quiet(-q)               # Say nothing but errors
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    ...files: path            # What to lock
  ]

  def "nu-complete dotlock acquire export" [] {
    [ "sh" "fish" "powershell" ]
  }

  # Acquire locks for the following commands of a script
  export extern "dotlock acquire" [
    --for-pid: string         # Free the locks when process PID ends; $$ is the script itself
    --lease: string           # Free the locks after TIME, unless they are renewed
    --export: string@"nu-complete dotlock acquire export" # Print lines for a shell that set DOTLOCK_HELD, instead of tokens
    --github-env              # Append DOTLOCK_HELD to the file that GITHUB_ENV names, and print nothing
    --json                    # Print one JSON document
    --wait(-w): string        # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --timeout: string         # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --nonblock(-n)            # Do not wait: the same as --wait 0
    --conflict-exit-code(-E): string # Exit with N when the lock was not free in time
    --retries: string         # Try at most N times after the first; the earlier limit wins
    --min-delay: string       # Shortest pause between tries, where nothing can wake us
    --max-delay: string       # Longest pause between tries, where nothing can wake us
    --stale-after: string     # Also remove a lock of which nothing can be proven, once it is this old
    --no-break                # Do not remove locks, not even those whose owner is provably gone
    --lock-file: path         # Use PATH as the lock; for a write it must be on the file system of FILE
    --label: string           # Tell others TEXT about this holder
    --token: string           # Work under a lock that 'acquire' has taken
    --verbose(-v)             # Say when the lock is acquired and released
    --quiet(-q)               # Say nothing but errors
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    ...files: path            # What to lock
  ]

  def "nu-complete dotlock release export" [] {
    [ "sh" "fish" "powershell" ]
  }

  # Give back locks that 'acquire' has taken
  export extern "dotlock release" [
    --export: string@"nu-complete dotlock release export" # Print lines for a shell that take the locks out of DOTLOCK_HELD
    --wait(-w): string        # Wait at most TIME for those who work under the lock
    --timeout: string         # Wait at most TIME for those who work under the lock
    --verbose(-v)             # Say when the lock is acquired and released
    --quiet(-q)               # Say nothing but errors
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    ...tokens: string         # What 'acquire' printed [default: the locks in DOTLOCK_HELD]
  ]

  # Let leases end later
  export extern "dotlock renew" [
    --lease: string           # Let them end TIME from now, if they would end before
    --verbose(-v)             # Say when the lock is acquired and released
    --quiet(-q)               # Say nothing but errors
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    ...tokens: string         # What 'acquire' printed [default: the locks in DOTLOCK_HELD]
  ]

  # Wait until files are not locked, without locking them
  export extern "dotlock wait" [
    --wait(-w): string        # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --timeout: string         # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --nonblock(-n)            # Only look: the same as --wait 0
    --conflict-exit-code(-E): string # Exit with N when they were not free in time
    --verbose(-v)             # Say when the lock is acquired and released
    --quiet(-q)               # Say nothing but errors
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    ...files: path            # What to wait for
  ]

  # Hand in changes of a file for one writer to apply, and look at what is pending
  export extern "dotlock queue" [
    --help(-h)                # Print help
    --version(-V)             # Print version
  ]

  def "nu-complete dotlock queue push sync" [] {
    [ "full" "data" "none" ]
  }

  # Hand in one change, from standard input
  export extern "dotlock queue push" [
    --append                  # Put it at the end; the default
    --replace                 # Make it the whole content; of several in the queue only the last counts
    --merge                   # It is a JSON merge patch (RFC 7396): an object whose members are set, or removed where they are null
    --json-patch              # It is a JSON patch (RFC 6902): a list of operations, all or none
    --async                   # Return when it is durable in the queue; it is written by the next command that writes what is pending
    --max-pending: string     # While so many are pending, write them first
    --sync: string@"nu-complete dotlock queue push sync" # What is to survive a power cut
    --allow-empty             # Let a file become empty by --replace
    --wait(-w): string        # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --timeout: string         # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --nonblock(-n)            # Do not wait: the same as --wait 0
    --conflict-exit-code(-E): string # Exit with N when the lock was not free in time
    --retries: string         # Try at most N times after the first; the earlier limit wins
    --min-delay: string       # Shortest pause between tries, where nothing can wake us
    --max-delay: string       # Longest pause between tries, where nothing can wake us
    --stale-after: string     # Also remove a lock of which nothing can be proven, once it is this old
    --no-break                # Do not remove locks, not even those whose owner is provably gone
    --lock-file: path         # Use PATH as the lock; for a write it must be on the file system of FILE
    --label: string           # Tell others TEXT about this holder
    --token: string           # Work under a lock that 'acquire' has taken
    --verbose(-v)             # Say when the lock is acquired and released
    --quiet(-q)               # Say nothing but errors
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    file: path                # The file that is to be changed; it need not exist
  ]

  def "nu-complete dotlock queue drain sync" [] {
    [ "full" "data" "none" ]
  }

  # Write what is pending, and return when nothing is
  export extern "dotlock queue drain" [
    --follow                  # Stay and write whatever comes, until a signal; then finish, and exit with 0
    --debounce: string        # With --follow, write when nothing has come for TIME (or ten times TIME is over)
    --sync: string@"nu-complete dotlock queue drain sync" # What is to survive a power cut
    --json                    # Print what was done as one JSON document
    --wait(-w): string        # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --timeout: string         # Wait at most TIME: 5s, 100ms, 1.5 (seconds), 2m, or 'forever'
    --nonblock(-n)            # Do not wait: the same as --wait 0
    --conflict-exit-code(-E): string # Exit with N when the lock was not free in time
    --retries: string         # Try at most N times after the first; the earlier limit wins
    --min-delay: string       # Shortest pause between tries, where nothing can wake us
    --max-delay: string       # Longest pause between tries, where nothing can wake us
    --stale-after: string     # Also remove a lock of which nothing can be proven, once it is this old
    --no-break                # Do not remove locks, not even those whose owner is provably gone
    --lock-file: path         # Use PATH as the lock; for a write it must be on the file system of FILE
    --label: string           # Tell others TEXT about this holder
    --token: string           # Work under a lock that 'acquire' has taken
    --verbose(-v)             # Say when the lock is acquired and released
    --quiet(-q)               # Say nothing but errors
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    file: path                # The file
  ]

  # Show what is pending, and who handed it in
  export extern "dotlock queue list" [
    --verify                  # Only look whether the queue is sound: exit with 1 if something is damaged
    --json                    # Print one JSON document
    --help(-h)                # Print help
    --version(-V)             # Print version
    file: path                # The file
  ]

  # Print the file as it will be when all that is pending is written
  export extern "dotlock queue cat" [
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    file: path                # The file
  ]

  # Show locks: who holds them, whether he lives, and how that is known
  export extern "dotlock status" [
    --recursive(-r)           # Also in the directories below; links to directories are not followed
    --cross                   # Below, also where other file systems are mounted
    --held                    # Show held locks (with --stale and --foreign: those, too)
    --stale                   # Show stale locks
    --foreign                 # Show foreign locks
    --check                   # Exit with 4 if something is held or foreign, with 5 if there are only stale locks
    --json                    # Print one JSON document
    --quiet(-q)               # Print nothing; for --check
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    ...paths: path            # Files and directories [default: the current directory]
  ]

  # Remove locks whose owner is provably gone
  export extern "dotlock break-lock" [
    --force(-f)               # Also break locks of which nothing is proven; never one that is alive
    --yes(-y)                 # With --force, do not ask
    --recursive(-r)           # Every lock in the directories and below
    --cross                   # With --recursive, also where other file systems are mounted
    --discard                 # Throw away what had been written into the lock
    --dry-run(-n)             # Only say what would be done
    --quiet(-q)               # Say nothing but errors
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    ...files: path            # Files whose locks are to be broken; with --recursive, directories
  ]

  def "nu-complete dotlock completions shell" [] {
    [ "bash" "elvish" "fish" "nushell" "powershell" "zsh" ]
  }

  # Print a completion script for a shell
  export extern "dotlock completions" [
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    shell: string@"nu-complete dotlock completions shell" # The shell
  ]

  # Write the manual pages into a directory, or print the main one
  export extern "dotlock man" [
    --help(-h)                # Print help (see more with '--help')
    --version(-V)             # Print version
    dir?: path                # The directory; it is made if it is missing
  ]

}

export use completions *
