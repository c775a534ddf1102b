//! The protocol as a machine: files with numbers, births, marks and kernel
//! locks; processes that take one system call at a time; and what may happen to
//! them. It reads as "The protocol" in the crate's documentation does.

use stateright::{Model, Property};

pub const P: usize = 0;
pub const S: usize = 1;
pub const T: usize = 2;

/// A file, by its number: a place in [`World::files`], used again when free.
type File = u8;
/// A process, by its place in [`World::procs`].
type Proc = u8;
/// When a file was made: later ones are greater.
type Birth = u8;

/// What is explored.
#[derive(Clone, Debug, Default)]
pub struct Setting {
    pub actors: Vec<Kind>,
    /// `kill -9`s of processes.
    pub kills: u8,
    /// Power cuts; nobody but those of [`Kind::AfterCut`] starts after one.
    pub cuts: u8,
    /// Signals whose hook cleans up.
    pub signals: u8,
    /// Removals of P or S by hand, at any time.
    pub hands: u8,
    /// Waiters may give up.
    pub give_up: bool,
    /// The file system keeps no marks.
    pub no_marks: bool,
    /// The system knows no births: then a record proves nothing.
    pub no_births: bool,
    /// Births do not tell files apart that were made in the same tick: only
    /// numbers do.
    pub coarse: bool,
    /// Kills come only when a record is written.
    pub late_kills: bool,
    pub mistake: Option<Mistake>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Acquires, then commits or rolls back.
    Writer,
    /// The same with content that is gathered before: that file gets P's name, and
    /// has mark and kernel lock by then.
    Spooled,
    /// As a writer, but starts only after the power cut.
    AfterCut,
    /// `break-lock`.
    Breaker,
    /// `acquire`, and `release` twice: lives on without a kernel lock.
    Script,
    /// Knows only P, and gives it the mode of the target, as `git config` does.
    Git,
}

/// Known mistakes: each must be found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mistake {
    BreakWithoutKernelLock,
    BreakWithoutLookingAtThePath,
    GateRemovedWithoutItsKernelLock,
    RecordLeftBehind,
    GateNotLookedAtAfterLocking,
    GateRemovedAfterItWasLetGo,
    HookBesideTheRename,
    NoMarkAtBirth,
    MarkAfterTheName,
    RecordOfAnotherFileWithTheNumber,
    ForeignIsStaleWhenTheGateIsFree,
    MarkTakenOffAfterTheRename,
    NoStampBeforeTheRename,
    ReleaseByNameAlone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Maker {
    Process(Proc),
    Git(Proc),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Mark {
    None,
    First,
    Second,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Record {
    number: File,
    birth: Birth,
    /// Whose life it speaks of, where the kernel lock does not.
    life: Option<Proc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Inode {
    birth: Birth,
    maker: Maker,
    mark: Mark,
    /// The kernel lock.
    locked: Option<Proc>,
    record: Option<Record>,
    /// The attribute that says of a P about to be renamed what the mark said.
    stamped: bool,
    /// What of it is on the disk.
    disk_mark: Mark,
    disk_stamped: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Pc {
    Off,
    OpenS,
    MakeS,
    LockS,
    CheckS,
    MakeP,
    LateMark,
    LockP,
    CheckP,
    Write,
    LockJ,
    CheckJ,
    Judge,
    Break,
    Clear,
    Hold,
    Sync,
    Fence,
    Stamp,
    Unmark,
    Rename,
    LateUnmark,
    Unstamp,
    Empty,
    CheckOwn,
    RemoveP,
    CheckGate,
    RemoveS,
    PassS,
    Unlock,
    SyncDir,
    SweepLock,
    SweepCheck,
    Convert,
    Working,
    Open,
    LockOld,
    CheckOld,
    RemoveOld,
    GitMake,
    GitMode,
    GitEnd,
    BreakStart,
    Done,
    Dead,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Process {
    kind: Kind,
    pub pc: Pc,
    s: Option<File>,
    p: Option<File>,
    /// What it judges, or releases.
    j: Option<File>,
    token: Option<(File, Birth)>,
    released: bool,
    /// The signal hook that runs beside it (a mistake): 0 none, 1 begins, 2 has looked.
    hook: u8,
}

/// A change of names or inodes that is not on the disk yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    Name(usize, Option<File>),
    Rename(File),
    Mark(File, Mark),
    Stamp(File, bool),
}

/// What must never happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wrong {
    LiveLockBroken,
    ForeignLockBroken,
    RemovedAnothers,
    CommittedAnothers,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    files: Vec<Option<Inode>>,
    names: [Option<File>; 3],
    pub procs: Vec<Process>,
    disk: [Option<File>; 3],
    pending: Vec<Change>,
    kills: u8,
    cuts: u8,
    signals: u8,
    hands: u8,
    pub wrong: Option<Wrong>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// The next system call; at a choice, the first or the second way.
    Step(Proc, bool),
    GiveUp(Proc),
    Kill(Proc),
    Signal(Proc),
    Hook(Proc),
    /// Keeps the first so many changes, and what was written into S or not.
    Cut(u8, bool),
    Hand(usize),
}

impl World {
    fn file(&self, f: File) -> &Inode {
        self.files[f as usize].as_ref().expect("a file that is referred to")
    }

    fn edit(&mut self, f: File) -> &mut Inode {
        self.files[f as usize].as_mut().expect("a file that is referred to")
    }

    fn change(&mut self, set: &Setting, change: Change) {
        if set.cuts > 0 {
            self.pending.push(change);
        }
    }

    fn name(&mut self, set: &Setting, name: usize, f: Option<File>) {
        self.names[name] = f;
        self.change(set, Change::Name(name, f));
    }

    fn mark(&mut self, set: &Setting, f: File, mark: Mark) {
        self.edit(f).mark = mark;
        self.change(set, Change::Mark(f, mark));
    }

    fn stamp(&mut self, set: &Setting, f: File, stamped: bool) {
        self.edit(f).stamped = stamped;
        self.change(set, Change::Stamp(f, stamped));
    }

    /// A new file, with the smallest number that is free, under a name.
    fn create(&mut self, set: &Setting, name: usize, maker: Maker, mark: Mark) -> File {
        let birth = 1 + self.files.iter().flatten().map(|i| i.birth).max().unwrap_or(0);
        // Births that are only remembered count, too.
        let remembered = self.files.iter().flatten().filter_map(|i| i.record.map(|r| r.birth));
        let tokens = self.procs.iter().filter_map(|p| p.token.map(|t| t.1));
        let birth = birth.max(1 + remembered.chain(tokens).max().unwrap_or(0));
        let inode = Inode {
            birth,
            maker,
            mark: if set.no_marks { Mark::None } else { mark },
            locked: None,
            record: None,
            stamped: false,
            disk_mark: if set.no_marks { Mark::None } else { mark },
            disk_stamped: false,
        };
        let free = self.files.iter().position(Option::is_none).unwrap_or(self.files.len());
        if free == self.files.len() {
            self.files.push(None);
        }
        self.files[free] = Some(inode);
        self.name(set, name, Some(free as File));
        free as File
    }

    fn alive(&self, proc: Proc) -> bool {
        !matches!(self.procs[proc as usize].pc, Pc::Dead | Pc::Done)
    }

    /// It works on the target, sure that nobody else does.
    fn holds(&self, proc: Proc) -> bool {
        use Pc::*;
        let p = &self.procs[proc as usize];
        matches!(
            p.pc,
            Write | Hold | Sync | Fence | Stamp | Unmark | Rename | Convert | Working | GitMode | GitEnd
        )
    }

    /// Removes a name; `meant` is the file that whoever does it believes there.
    fn unlink(&mut self, set: &Setting, who: Option<Proc>, name: usize, meant: File) {
        let Some(f) = self.names[name] else { return };
        let inode = self.file(f);
        let wrong = match inode.maker {
            _ if who.is_some() && f != meant => Some(Wrong::RemovedAnothers),
            Maker::Git(g) if name == P && self.alive(g) && who.is_some() => Some(Wrong::ForeignLockBroken),
            Maker::Process(h)
                if name == P && Some(h) != who && self.holds(h) && self.procs[h as usize].p == Some(f) =>
            {
                Some(Wrong::LiveLockBroken)
            }
            _ if name == S && inode.locked.is_some() && inode.locked != who => Some(Wrong::RemovedAnothers),
            _ => None,
        };
        // What the operator's hand does is not ours.
        if who.is_some() {
            self.wrong = self.wrong.or(wrong);
        }
        self.name(set, name, None);
    }

    /// The verdict on P, by what can be seen: its mark, the record in S, who lives.
    fn is_stale(&self, set: &Setting, j: File) -> bool {
        let inode = self.file(j);
        let gate = self.names[S].map(|s| self.file(s));
        let numbers_only = set.coarse || set.mistake == Some(Mistake::RecordOfAnotherFileWithTheNumber);
        let record = gate.and_then(|g| g.record).filter(|r| r.number == j);
        let record = record.filter(|r| match () {
            () if numbers_only => true,
            () if set.no_births => false,
            () => r.birth == inode.birth,
        });
        let copied = self.names[T].is_some_and(|t| self.file(t).mark != Mark::None);
        if set.mistake == Some(Mistake::ForeignIsStaleWhenTheGateIsFree) && inode.mark == Mark::None {
            return gate.is_none_or(|g| g.record.is_none());
        }
        let mark = match inode.mark {
            _ if inode.stamped => Mark::First,
            Mark::First if copied => Mark::None,
            mark => mark,
        };
        match (mark, record) {
            (Mark::First, _) => true,
            (_, Some(Record { life: Some(who), .. })) => !self.alive(who),
            (Mark::Second, _) => false,
            (_, record) => record.is_some(),
        }
    }

    /// Everything that a process has open is closed; kernel locks go.
    fn close(&mut self, proc: Proc) {
        for inode in self.files.iter_mut().flatten() {
            if inode.locked == Some(proc) {
                inode.locked = None;
            }
        }
        let p = &mut self.procs[proc as usize];
        (p.s, p.p, p.j) = (None, None, None);
    }

    fn unlock(&mut self, proc: Proc, f: Option<File>) {
        if let Some(f) = f
            && self.file(f).locked == Some(proc)
        {
            self.edit(f).locked = None;
        }
    }

    /// Forgets files that nothing refers to, and what only tells histories
    /// apart: so their numbers are used again, and equal worlds are equal.
    fn tidy(mut self) -> World {
        let mut used = vec![false; self.files.len()];
        let names = self.names.iter().chain(&self.disk).flatten().copied();
        let open = self.procs.iter().flat_map(|p| [p.s, p.p, p.j]).flatten();
        let pending = self.pending.iter().filter_map(|c| match c {
            Change::Name(_, f) => *f,
            Change::Rename(f) | Change::Mark(f, _) | Change::Stamp(f, _) => Some(*f),
        });
        names.chain(open).chain(pending).for_each(|f| used[f as usize] = true);
        for (file, used) in self.files.iter_mut().zip(&used) {
            if !used {
                *file = None;
            }
        }
        while self.files.last().is_some_and(Option::is_none) {
            self.files.pop();
        }
        // Births: only their order counts.
        let mut births: Vec<Birth> = Vec::new();
        for inode in self.files.iter().flatten() {
            births.extend([Some(inode.birth), inode.record.map(|r| r.birth)].iter().flatten());
        }
        births.extend(self.procs.iter().filter_map(|p| p.token.map(|t| t.1)));
        births.sort_unstable();
        births.dedup();
        let rank = |b: &mut Birth| *b = births.binary_search(b).expect("collected above") as Birth;
        for inode in self.files.iter_mut().flatten() {
            rank(&mut inode.birth);
            inode.record.iter_mut().for_each(|r| rank(&mut r.birth));
        }
        self.procs.iter_mut().for_each(|p| p.token.iter_mut().for_each(|t| rank(&mut t.1)));
        self
    }

    /// Whether the next system call of `proc` would not block.
    fn can_step(&self, set: &Setting, proc: Proc) -> bool {
        let p = &self.procs[proc as usize];
        let free = |f: Option<File>| f.is_some_and(|f| self.file(f).locked.is_none());
        match p.pc {
            Pc::Off | Pc::Done | Pc::Dead => false,
            Pc::LockS => free(p.s),
            Pc::LockP => free(p.p),
            Pc::LockOld => free(p.j),
            // It polls: seen from here it waits until there is something to do.
            Pc::MakeP => self.names[P].is_none_or(|j| self.file(j).locked.is_none() && self.is_stale(set, j)),
            Pc::GitMake => self.names[P].is_none(),
            _ => true,
        }
    }

    /// One system call.
    fn step(&mut self, set: &Setting, i: Proc, second: bool) {
        use Pc::*;
        let is = |m| set.mistake == Some(m);
        let me = self.procs[i as usize].clone();
        let mut next = me.clone();
        let lock = |w: &mut World, f: Option<File>| w.edit(f.expect("open")).locked = Some(i);
        next.pc = match me.pc {
            Off | Done | Dead => me.pc,

            // Acquire, 1: the gate.
            OpenS => {
                next.s = self.names[S];
                if next.s.is_some() { LockS } else { MakeS }
            }
            MakeS if self.names[S].is_some() => OpenS,
            MakeS => {
                next.s = Some(self.create(set, S, Maker::Process(i), Mark::None));
                LockS
            }
            LockS => {
                lock(self, me.s);
                if is(Mistake::GateNotLookedAtAfterLocking) { MakeP } else { CheckS }
            }
            CheckS if self.names[S] == me.s => MakeP,
            CheckS => {
                self.unlock(i, me.s);
                next.s = None;
                OpenS
            }

            // Acquire, 2: P.
            MakeP if self.names[P].is_some() => {
                next.j = self.names[P];
                if is(Mistake::BreakWithoutKernelLock) { CheckJ } else { LockJ }
            }
            MakeP => {
                let mark = if is(Mistake::NoMarkAtBirth) { Mark::None } else { Mark::First };
                let spooled = me.kind == Kind::Spooled;
                let late = spooled && is(Mistake::MarkAfterTheName);
                let p = self.create(set, P, Maker::Process(i), if late { Mark::None } else { mark });
                next.p = Some(p);
                if spooled {
                    lock(self, next.p);
                }
                match (spooled, late) {
                    (_, true) => LateMark,
                    (true, _) => CheckP,
                    (false, _) => LockP,
                }
            }
            LateMark => {
                self.mark(set, me.p.expect("made"), Mark::First);
                CheckP
            }
            LockP => {
                lock(self, me.p);
                CheckP
            }
            CheckP if self.names[P] == me.p => Write,
            CheckP => {
                self.unlock(i, me.p);
                next.p = None;
                MakeP
            }

            // Acquire, 3: the record.
            Write => {
                let (p, s) = (me.p.expect("made"), me.s.expect("locked"));
                let birth = self.file(p).birth;
                let life = (set.no_marks || me.kind == Kind::Script).then_some(i);
                self.edit(s).record = Some(Record { number: p, birth, life });
                if me.kind == Kind::Script { Convert } else { Hold }
            }

            // Break.
            LockJ if self.file(me.j.expect("open")).locked.is_some() => {
                next.j = None;
                if me.kind == Kind::Breaker { Done } else { MakeP }
            }
            LockJ => {
                lock(self, me.j);
                if is(Mistake::BreakWithoutLookingAtThePath) { Judge } else { CheckJ }
            }
            CheckJ if self.names[P] == me.j => Judge,
            Judge if self.is_stale(set, me.j.expect("open")) => Break,
            CheckJ | Judge => {
                self.unlock(i, me.j);
                next.j = None;
                if me.kind == Kind::Breaker { Done } else { MakeP }
            }
            Break => {
                self.unlink(set, Some(i), P, me.j.expect("open"));
                if is(Mistake::RecordLeftBehind) {
                    self.unlock(i, me.j);
                    next.j = None;
                    if me.kind == Kind::Breaker { Done } else { MakeP }
                } else {
                    Clear
                }
            }
            Clear => {
                if let Some(s) = me.s {
                    self.edit(s).record = None;
                }
                self.unlock(i, me.j);
                next.j = None;
                if me.kind == Kind::Breaker { SweepLock } else { MakeP }
            }

            // Commit, or roll back.
            Hold if second => Empty,
            Hold => Sync,
            Sync => {
                // What is pending of P itself goes to the disk.
                let p = me.p.expect("ours");
                let (mine, others): (Vec<_>, Vec<_>) = std::mem::take(&mut self.pending)
                    .into_iter()
                    .partition(|c| matches!(c, Change::Name(P, Some(f)) | Change::Mark(f, _) if *f == p));
                self.pending = others;
                mine.into_iter().for_each(|c| self.write_back(c));
                Fence
            }
            Fence if self.names[P] != me.p => Empty,
            Fence if is(Mistake::MarkTakenOffAfterTheRename) => Rename,
            Fence if set.no_marks || is(Mistake::NoStampBeforeTheRename) => Unmark,
            Fence => Stamp,
            Stamp => {
                self.stamp(set, me.p.expect("ours"), true);
                Unmark
            }
            Unmark => {
                self.mark(set, me.p.expect("ours"), Mark::None);
                Rename
            }
            Rename => match self.names[P] {
                None => Empty,
                Some(f) => {
                    if Some(f) != me.p {
                        self.wrong = self.wrong.or(Some(Wrong::CommittedAnothers));
                    }
                    self.names[T] = Some(f);
                    self.names[P] = None;
                    self.change(set, Change::Rename(f));
                    match () {
                        () if is(Mistake::MarkTakenOffAfterTheRename) => LateUnmark,
                        () if self.file(f).stamped => Unstamp,
                        () => CheckGate,
                    }
                }
            },
            Unstamp => {
                self.stamp(set, me.p.expect("ours"), false);
                CheckGate
            }
            LateUnmark => {
                self.mark(set, me.p.expect("ours"), Mark::None);
                CheckGate
            }

            // Roll back: the record, P, S.
            Empty => {
                if let Some(s) = me.s {
                    self.edit(s).record = None;
                }
                CheckOwn
            }
            CheckOwn if me.p.is_some() && self.names[P] == me.p => RemoveP,
            CheckOwn => CheckGate,
            RemoveP => {
                self.unlink(set, Some(i), P, me.p.expect("ours"));
                CheckGate
            }
            CheckGate
                if is(Mistake::GateRemovedAfterItWasLetGo) && me.s.is_some() && self.names[S] == me.s =>
            {
                self.unlock(i, me.s);
                RemoveS
            }
            // Whoever sleeps on it finds it in place.
            CheckGate if me.s.is_some() && self.procs.iter().any(|p| p.pc == LockS && p.s == me.s) => PassS,
            CheckGate if me.s.is_some() && self.names[S] == me.s => RemoveS,
            CheckGate => Unlock,
            PassS => {
                self.edit(me.s.expect("ours")).record = None;
                Unlock
            }
            RemoveS => {
                self.unlink(set, Some(i), S, me.s.expect("ours"));
                Unlock
            }
            Unlock => {
                self.close(i);
                (next.s, next.p, next.j) = (None, None, None);
                SyncDir
            }
            SyncDir => {
                let all = std::mem::take(&mut self.pending);
                all.into_iter().for_each(|c| self.write_back(c));
                Done
            }

            // Give up: S is tried once.
            SweepLock => match self.names[S] {
                Some(s) if is(Mistake::GateRemovedWithoutItsKernelLock) => {
                    self.unlink(set, Some(i), S, s);
                    Done
                }
                Some(s) if self.file(s).locked.is_none() => {
                    next.s = Some(s);
                    lock(self, Some(s));
                    SweepCheck
                }
                _ => {
                    if me.kind == Kind::Script && !me.released {
                        Open
                    } else {
                        Done
                    }
                }
            },
            SweepCheck => {
                let record = self.file(me.s.expect("open")).record;
                let speaks = record.is_some_and(|r| {
                    self.names[P]
                        .is_some_and(|p| r.number == p && (set.no_births || r.birth == self.file(p).birth))
                });
                if !speaks && self.names[S] == me.s { RemoveS } else { Unlock }
            }

            // acquire and release: the mark's second kind, then nothing open.
            Convert => {
                self.mark(set, me.p.expect("ours"), if set.no_marks { Mark::None } else { Mark::Second });
                Working
            }
            Working if next.token.is_none() => {
                let p = me.p.expect("ours");
                next.token = Some((p, self.file(p).birth));
                self.close(i);
                (next.s, next.p, next.j) = (None, None, None);
                // It still holds, by its record alone.
                Working
            }
            Working => Open,
            Open => {
                let (number, birth) = me.token.expect("acquired");
                let same = |f: &File| *f == number && (set.no_births || self.file(*f).birth == birth);
                next.j = self.names[P].filter(|f| is(Mistake::ReleaseByNameAlone) || same(f));
                if next.j.is_some() {
                    LockOld
                } else {
                    next.released = true;
                    Done
                }
            }
            LockOld => {
                lock(self, me.j);
                CheckOld
            }
            CheckOld if self.names[P] == me.j => RemoveOld,
            CheckOld => {
                self.unlock(i, me.j);
                next.j = None;
                Done
            }
            RemoveOld => {
                let meant = me.token.expect("acquired");
                let there = me.j.map(|j| (j, self.file(j).birth));
                if there != Some(meant) && !set.no_births {
                    self.wrong = self.wrong.or(Some(Wrong::RemovedAnothers));
                }
                self.unlink(set, Some(i), P, me.j.expect("open"));
                self.unlock(i, me.j);
                next.j = None;
                // Once more, as scripts do that are not sure.
                next.released = me.token.is_none();
                SweepLock
            }

            // git: the name is all that it knows.
            GitMake => {
                next.p = Some(self.create(set, P, Maker::Git(i), Mark::None));
                GitMode
            }
            GitMode => {
                let mark = self.names[T].map_or(Mark::None, |t| self.file(t).mark);
                let p = me.p.expect("made");
                if mark != self.file(p).mark {
                    self.mark(set, p, mark);
                }
                GitEnd
            }
            GitEnd => {
                match self.names[P] {
                    Some(f) if second => {
                        self.names[T] = Some(f);
                        self.names[P] = None;
                        self.change(set, Change::Rename(f));
                    }
                    Some(_) => self.name(set, P, None),
                    None => {}
                }
                next.p = None;
                Done
            }

            BreakStart => {
                next.j = self.names[P];
                match next.j {
                    None => Done,
                    Some(_) if is(Mistake::BreakWithoutKernelLock) => CheckJ,
                    Some(_) => LockJ,
                }
            }
        };
        // A script that has swept S after its first release releases again.
        if me.kind == Kind::Script && me.token.is_some() && next.pc == Done && !me.released && me.pc != Open {
            next.pc = Open;
            next.released = true;
        }
        self.procs[i as usize] = next;
    }

    fn write_back(&mut self, change: Change) {
        match change {
            Change::Name(name, f) => self.disk[name] = f,
            Change::Rename(f) => (self.disk[T], self.disk[P]) = (Some(f), None),
            Change::Mark(f, mark) => self.edit(f).disk_mark = mark,
            Change::Stamp(f, stamped) => self.edit(f).disk_stamped = stamped,
        }
    }

    fn cut(&mut self, kept: u8, written: bool) {
        let pending = std::mem::take(&mut self.pending);
        pending.into_iter().take(kept.into()).for_each(|c| self.write_back(c));
        self.names = self.disk;
        for i in 0..self.procs.len() {
            if self.procs[i].kind == Kind::AfterCut {
                self.procs[i].pc = Pc::OpenS;
            } else if self.alive(i as Proc) {
                self.procs[i].pc = Pc::Dead;
            }
            self.close(i as Proc);
        }
        for inode in self.files.iter_mut().flatten() {
            (inode.mark, inode.stamped) = (inode.disk_mark, inode.disk_stamped);
            inode.record = inode.record.filter(|_| written);
        }
    }
}

impl Model for Setting {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let procs = self.actors.iter().map(|&kind| Process {
            kind,
            pc: match kind {
                Kind::Writer | Kind::Spooled | Kind::Script => Pc::OpenS,
                Kind::AfterCut => Pc::Off,
                Kind::Breaker => Pc::BreakStart,
                Kind::Git => Pc::GitMake,
            },
            s: None,
            p: None,
            j: None,
            token: None,
            released: false,
            hook: 0,
        });
        vec![World {
            files: Vec::new(),
            names: [None; 3],
            procs: procs.collect(),
            disk: [None; 3],
            pending: Vec::new(),
            kills: self.kills,
            cuts: self.cuts,
            signals: self.signals,
            hands: self.hands,
            wrong: None,
        }]
    }

    fn actions(&self, world: &World, acts: &mut Vec<Act>) {
        use Pc::*;
        for (i, p) in world.procs.iter().enumerate() {
            let i = i as Proc;
            if world.can_step(self, i) {
                acts.push(Act::Step(i, false));
                if matches!(p.pc, Hold | GitEnd) {
                    acts.push(Act::Step(i, true));
                }
            } else if self.give_up
                && matches!(p.pc, LockS | MakeP)
                && matches!(p.kind, Kind::Writer | Kind::Spooled)
            {
                acts.push(Act::GiveUp(i));
            }
            let dotlock = p.kind != Kind::Git && world.alive(i) && p.pc != Off;
            let late = matches!(
                p.pc,
                Hold | Sync
                    | Fence
                    | Stamp
                    | Unmark
                    | Rename
                    | Unstamp
                    | CheckGate
                    | RemoveS
                    | PassS
                    | Unlock
            );
            if world.kills > 0 && dotlock && (late || !self.late_kills) {
                acts.push(Act::Kill(i));
            }
            // One mutex keeps the hook out from the fence to the end.
            let at_work = matches!(
                p.pc,
                Fence | Stamp | Unmark | Rename | Unstamp | CheckGate | RemoveS | PassS | Unlock | SyncDir
            );
            let going = matches!(p.pc, Empty | CheckOwn | RemoveP | SweepLock | SweepCheck);
            let beside = self.mistake == Some(Mistake::HookBesideTheRename);
            if world.signals > 0
                && matches!(p.kind, Kind::Writer | Kind::Spooled)
                && dotlock
                && !going
                && (!at_work || beside)
                && p.hook == 0
            {
                acts.push(Act::Signal(i));
            }
            if p.hook > 0 && dotlock {
                acts.push(Act::Hook(i));
            }
        }
        if world.cuts > 0 {
            for kept in 0..=world.pending.len() as u8 {
                acts.extend([Act::Cut(kept, true), Act::Cut(kept, false)]);
            }
        }
        if world.hands > 0 {
            acts.extend([P, S].into_iter().filter(|&n| world.names[n].is_some()).map(Act::Hand));
        }
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let mut w = world.clone();
        match act {
            Act::Step(i, second) => w.step(self, i, second),
            Act::GiveUp(i) => {
                w.close(i);
                w.procs[i as usize].pc = Pc::SweepLock;
            }
            Act::Kill(i) => {
                w.kills -= 1;
                w.close(i);
                w.procs[i as usize].pc = Pc::Dead;
            }
            Act::Signal(i) => {
                w.signals -= 1;
                let p = &mut w.procs[i as usize];
                if self.mistake == Some(Mistake::HookBesideTheRename) {
                    p.hook = 1;
                } else if p.p.is_some() {
                    p.pc = Pc::Empty;
                } else {
                    w.close(i);
                    w.procs[i as usize].pc = Pc::SweepLock;
                }
            }
            Act::Hook(i) => {
                let p = w.procs[i as usize].clone();
                if p.hook == 1 && p.p.is_some() && w.names[P] == p.p {
                    w.procs[i as usize].hook = 2;
                } else {
                    if let (2, Some(meant)) = (p.hook, p.p) {
                        w.unlink(self, Some(i), P, meant);
                    }
                    w.close(i);
                    w.procs[i as usize].pc = Pc::Dead;
                }
            }
            Act::Cut(kept, written) => {
                w.cuts -= 1;
                w.cut(kept, written);
            }
            Act::Hand(name) => {
                w.hands -= 1;
                let there = w.names[name].expect("offered only then");
                w.unlink(self, None, name, there);
            }
        }
        Some(w.tidy())
    }

    fn properties(&self) -> Vec<Property<Setting>> {
        vec![
            Property::always("never two holders", |_, w: &World| {
                (0..w.procs.len()).filter(|&i| w.holds(i as Proc)).count() <= 1
            }),
            Property::always("nobody's live lock is broken", |_, w: &World| {
                w.wrong != Some(Wrong::LiveLockBroken)
            }),
            Property::always("a foreign lock is never broken", |_, w: &World| {
                w.wrong != Some(Wrong::ForeignLockBroken)
            }),
            Property::always("nobody removes what another made", |_, w: &World| {
                w.wrong != Some(Wrong::RemovedAnothers)
            }),
            Property::always("only a holder changes the target", |_, w: &World| {
                w.wrong != Some(Wrong::CommittedAnothers)
            }),
            Property::always("whoever wants the lock gets it, with no human", |set: &Setting, w: &World| {
                let goes = (0..w.procs.len())
                    .any(|i| w.can_step(set, i as Proc) || w.procs[i].hook > 0 && w.alive(i as Proc));
                let waits =
                    |p: &Process| p.kind != Kind::Git && !matches!(p.pc, Pc::Done | Pc::Dead | Pc::Off);
                goes || !w.procs.iter().any(waits)
            }),
        ]
    }
}
