//! Git-style `.lock` files: mutual exclusion and atomic replacement in one.
//!
//! A *lock* serves two purposes. Only one process at a time can change a file,
//! and the file changes in one step: readers, who take no lock, see the old
//! content or the new, whole. git, gitoxide and libgit2 lock the same way; any
//! mix of them and dotlock may work on one file.
//!
//! # Calling sequence
//!
//! - [`acquire`] a [`Lock`] on a path, as a [`Policy`] says.
//! - Write the new content into it: it is [`std::io::Write`].
//! - [`Lock::commit`] makes that the file's content and releases the lock, or
//!   [`Lock::roll_back`] (or dropping it) releases it and changes nothing.
//!
//! [`publish()`], [`update`] and [`restore`] do all three, with the care that a
//! replaced file needs; [`Draft`] is the same in steps, for content that a command
//! makes. A program that ends by a signal calls [`roll_back_all`]
//! first, as destructors do not run then.
//!
//! # Words, and files on disk
//!
//! | word | meaning |
//! | --- | --- |
//! | target | the file that is protected, after its symbolic links are resolved |
//! | lock, P | `<target>.lock`, made with `create_new(true)`: the only authority |
//! | gate, S | `<target>~owner.lock`: the queue of the waiters, and the record |
//! | record | JSON in S: who holds P |
//! | mark | what P is born with that says "made by dotlock" |
//! | kernel lock | `flock` on Unix, a sharing mode on Windows: it ends with its holder, whatever ends him |
//!
//! # The protocol
//!
//! **Creating P decides. P's kernel lock proves life. S orders the waiters and
//! tells who.** Exclusion never rests on S or on a record.
//!
//! *Acquire*:
//! 1. Open S, or create it; take its kernel lock. Waiters sleep here, and the
//!    kernel wakes them. If the path of S does not lead to this file any more,
//!    its holder removed it when he was done: start again.
//! 2. Create P, with the mark. Take P's kernel lock and look whether P's path
//!    leads to this file. If it does not, somebody took us for dead in between:
//!    create P again. If P exists, judge it: a stale one is removed, for any
//!    other wait, still at the head of the queue. Input that was gathered in a
//!    file without a name becomes P by a link: mark, kernel lock and content are
//!    there before the name is, which the system gives to one only, as it creates
//!    for one only.
//! 3. Write the record into S.
//!
//! *Commit*: complete P's content, owner, attributes and permissions; sync it;
//! look whether P is still ours (the fence); stamp it and take the mark off;
//! rename it over the target; forget P's name at once; take the stamp off;
//! remove S; unlock; sync the directory.
//!
//! *Roll back*: empty the record, remove P, remove S, unlock.
//!
//! If others sleep on S's kernel lock, S is not removed by either, but emptied
//! and unlocked: the kernel wakes the first of them, who finds it in place. Who
//! sleeps there says so by a lock of the other kind (`F_OFD_SETLK`), which ends
//! with him; where there is none, S is removed, and each makes or finds a new one.
//!
//! What needs a name before the commit - a private copy for a command, a backup in
//! the making - lies in `<target>~stage-<P's file number>.lock`, which is made
//! after P and removed before it. So whoever breaks P knows it from P itself, even
//! if a power cut cost the record. A commit renames P away before that directory
//! can go (in it is the older backup, to be put back should the rename fail); S,
//! removed still later, names P's number, and the next acquirer looks there.
//!
//! *Break*: take P's kernel lock without waiting, look whether its path leads to
//! it, judge it, remove it.
//!
//! # Holding a lock for others
//!
//! A lock that is acquired for a [`Purpose`] other than a write has a [`Token`].
//! With it another process works *under* the lock: it takes `<target>~inner.lock`
//! by the same protocol, looks whether the outer P is the one that the token
//! names and is held still, and writes into that inner P. A holder lets go in this
//! order: empty the record; look for an inner P, and if there is one take its lock
//! too; remove P. Whoever works under it makes the inner P first, and reads the
//! record then. Of these two pairs of steps either the first look sees the inner P
//! or the second sees no record, whatever the order.
//!
//! [`hand_over`] leaves P standing without its process: record durable, second
//! mark, kernel lock free. From then on only the record speaks: of a process, or
//! of a lease that ends at the recorded time or at P's time of modification,
//! whichever is later; so it can be renewed under P's kernel lock, while S belongs
//! to whoever waits at the head of the queue. Who works under such a lock, or
//! renews it, shares P's kernel lock; who breaks or releases it has it alone.
//!
//! A command started by the holder inherits P's kernel lock
//! ([`Lock::let_children_keep_it`]): who waits for P sleeps on that lock until the
//! last of them has ended.
//!
//! # The queue
//!
//! Producers append *entries* to J, `<target>.queue`; whoever has P *drains* it:
//! makes all its entries into one new content, and commits that. So any number of
//! producers share one sync.
//!
//! *Push* ([`push`]): if nobody has P, take it, and write what is pending and our own
//! entry behind it in one commit; no journal is needed. Else take J's kernel lock,
//! look whether its path leads to it, cut off a torn tail, append one frame, let
//! go. Then sleep until S is free, with all who wait so; woken, look into the
//! journal whether the entry is *durable*, and if not, try to become the drainer.
//!
//! *Drain* ([`drain()`]), having P: under J's kernel lock, its path checked, rename J
//! to A, `<target>.queue.aside`, and keep that lock. Stage the new content. Write the
//! *name* into A: which file the target is, and which one, P, it is about to
//! become. Commit; right after the rename note *applied* in A; sync the directory;
//! note *durable*, remove A; only then let S go. If there is an A already it
//! comes first, alone: renaming J over it would lose it.
//!
//! *After a death* the target itself says whether A was committed: it is the file
//! that the name announced (committed), or still the one that was there before (not).
//! When it is neither, another has replaced it since, and *applied* tells. Every
//! dotlock that has got P, or is about to break one, settles this first, as
//! then the target can tell still. So only another program can take both signs away,
//! and only if the drainer was killed between its rename and the note, some
//! microseconds, or somebody removed its P by hand. Then nobody guesses: the entries
//! go to `<target>.queue.rejected` with that reason. The absence of P would be no
//! such sign: P can be removed by hand, as git advises; nor is P's number alone,
//! which is given to others at once. `tests/model/queue.rs` finds what is lost by
//! either.
//!
//! *What must be durable when.* An entry whose producer waits needs no sync in the
//! journal: nobody was told that it is safe, and after the system has ended such
//! entries are void (a frame holds the boot). So a power cut can leave the name
//! unwritten, A with entries, and the target with the same, and none is written
//! twice. An entry handed in with [`Push::detached`] was acknowledged when J was
//! synced; a drainer syncs A once, after the name and before the commit, if it holds
//! such a one, or where the system has no number for its boots. The removal of A
//! may be undone by a power cut, as long as the target's rename is durable; the
//! target then says that it was committed.
//!
//! *In place* ([`Push::in_place`]): the name says how long the target is, and is
//! durable, with the entries and A's directory, before the first byte is
//! written behind it. After a death whoever comes first completes that; a prefix of
//! the entries, or zeros, is all that he overwrites.
//!
//! *A producer that fails* takes its entry back, so that it may hand it in again:
//! under the journal's kernel lock, which a drainer of A has till he is done. Who
//! is killed while he waits leaves it there: it is written once at most.
//!
//! Where kernel locks prove nothing (several machines), nothing is appended to a
//! journal: every producer takes P and writes for himself.
//!
//! # Why it is safe
//!
//! - *Two holders*: both would have created P while the other's was there, which
//!   the system excludes, unless the first P was removed. Among dotlocks P is
//!   renamed or removed only by whoever has its kernel lock, and finds after
//!   taking it that the path leads to it. The holder has that lock from step 2
//!   to the end, and counts as holder only when he has found his own P at the
//!   path under that lock.
//! - *A foreign lock is not broken*: it bears neither mark nor stamp, and a record
//!   proves something only of the file with its number and its birth time, if
//!   both are the same user's.
//! - *Nobody removes what another made*: every removal looks at the identity of
//!   what is at the path, under the kernel lock of the very file.
//! - *The clean-up never removes another's P*: fence, rename and forgetting are
//!   one step for the signal hook (one mutex), and after it nothing is left to
//!   clean up but S.
//!
//! # Dying
//!
//! By `kill -9` or a power cut, at any point, it leaves one of these, and the
//! next acquirer recovers from each with no human and no age limit:
//!
//! | when | leaves | the next acquirer |
//! | --- | --- | --- |
//! | before P is made | nothing, or S alone | uses S |
//! | while P is held | P with the mark or the stamp, S whole, torn, empty or lost | finds P without kernel lock: removes it |
//! | while it hangs on a record | P with the second mark, S durable | finds the process gone or the lease over: removes it |
//! | after the rename | the new target, perhaps stamped still; S; staged files | uses S, removes what its record names; the next write leaves the stamp behind |
//! | while J is appended to | J with a torn tail | cuts it off |
//! | while J is drained | A, named or not, and P as above | settles A by what the target is; the next drainer writes it, or removes it |
//!
//! Mark and stamp are part of P's own inode, so a power cut keeps or loses them
//! with it. `tests/model` explores all of this: every order of system calls of
//! two and three processes, git, breakers, kills, signals and power cuts.
//!
//! # Marks
//!
//! On Linux the mark is the sticky bit (mode 01600): `open` itself sets it, on a
//! plain file it means nothing, and no other program sets it there. Where
//! kernel locks prove nothing - on file systems that several machines mount -
//! P bears a second mark, mode 01300, and only the record speaks: it tells boot,
//! pid namespace, process and its start time. The second mark is not 01700,
//! since that is what the staged P of a target with mode 0700 looks like. A
//! system that keeps no marks (macOS, BSD) knows P by the record alone: by its
//! number and its birth time.
//!
//! The target never bears the mark, not for a moment: `git config` gives its own
//! lock the mode of the file, and that lock would look like a dead one of ours.
//! So the mark goes before the rename, and an extended attribute, the stamp,
//! which no such program copies, says meanwhile what the mark said. Where there
//! are no attributes the record does. A marked P beside a target of the very
//! same mode is taken for such a copy.
//!
//! Birth times tick every few milliseconds only: a file that is made, removed
//! and made again at once may have the same number and the same birth. So a
//! record is the weakest of the proofs, and used only where the others fail.
//!
//! # What we assume of the system
//!
//! That creating a file exclusively and renaming are atomic; that a kernel lock
//! ends with the last descriptor for it; on a local file system (a list of known
//! types) that kernel locks are seen by every process that can see the file.
//!
//! # Errors
//!
//! An [`Error`] says what was being done, to which path, why it failed, and what
//! to do next. Whatever fails, the target is as it was, and nothing is left
//! behind; the exceptions are named at [`Lock::commit`].
//!
//! # Limitations
//!
//! - Locking is a convention. Who takes no lock is not kept out; who removes P
//!   by hand while its holder works lets others in. The fence notices that, but
//!   for the microseconds between its look and the rename.
//! - On a file system without marks (FAT), who dies in the microseconds between
//!   making P and writing the record leaves a lock that looks foreign, and needs
//!   a human. So does, on one without marks and births, every death.
//! - At the head of the queue, who may not remove a dead lock (`break_stale(false)`)
//!   keeps those behind him from doing so until his deadline.
//! - Hard links and bind mounts cannot be seen: two such names are two targets,
//!   and a replacement parts hard links.
//! - An inner lock of the dead stays until somebody works under its target again,
//!   or breaks it; it holds up nobody else.
//! - A lease is measured by the clocks of those who look at it.
//! - Waiting uses SIGURG on Unix to end a blocked call at its deadline. A
//!   program with a handler of its own for SIGURG loses it.
//!
//! # Where things are
//!
//! `publish.rs` takes input to a commit: `publish/gather.rs` collects it,
//! `publish/check.rs` judges it, `publish/backup.rs` keeps the old; [`survey()`]
//! looks at locks, and [`break_lock`] removes dead ones; `lock.rs` is the
//! protocol, `lock/acquire.rs` its first part and `lock/commit.rs` its last,
//! `lock/stage.rs` what stands beside the target meanwhile, `lock/nested.rs` working under a
//! lock, `lock/session.rs` locks that outlive their process, `token.rs` what
//! names them; `queue.rs` hands entries in, `queue/drain.rs` writes them,
//! `journal.rs` is J and `journal/aside.rs` A; `gate.rs` is S; `wait.rs` the only waiting loop; `verdict.rs`
//! judges what stands at P; `owner.rs` is the record; `target.rs` the names;
//! `evidence.rs` what is known of a lock, in words; `sys` the only door to the
//! system. Each knows only those after it.

mod error;
mod evidence;
mod gate;
mod journal;
mod lock;
mod owner;
mod publish;
mod queue;
mod survey;
mod sys;
mod target;
mod token;
mod verdict;
mod wait;

pub use error::{Error, Result};
pub use evidence::{Holder, State, Verdict, shell_word, show};
pub use journal::Change;
pub use lock::{
    CommitOptions, Committed, Lock, Released, acquire, acquire_all, acquire_target, hand_over, release,
    renew, roll_back_all, wait_free,
};
pub use owner::{Bond, Purpose};
pub use publish::{
    Backup, Draft, Gatherer, Input, Precondition, Progress, PublishOptions, Published, Spool, Validator, hex,
    publish, restore, sha256, update,
};
pub use queue::{
    Drained, Entry, Finding, Pending, Push, Pushed, Queued, drain, follow, pending, preview, push,
};
pub use survey::{BreakOptions, Broken, Scope, Sighting, break_lock, sight, survey};
pub use sys::{
    Allocator, EDITOR, Sync, TimeLimit, exit_code, posix_shell, shell, signal, spawn, spawn_for_us,
    stdin_is_terminal, wait_for,
};
pub use target::Target;
pub use token::{NoToken, Token};
pub use wait::{Event, Policy};
