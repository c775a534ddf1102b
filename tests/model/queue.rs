//! The write queue as a machine: producers, drainers, plain writers and git, one
//! system call at a time. That creating P decides, and that its kernel lock proves
//! life, is the other machine's affair: here P is taken in one step.

use stateright::{Model, Property};

/// A file of the target: its number is given to another when nothing leads to it.
type Number = u8;
type Birth = u8;
/// A process, and the entry that it pushes.
type Proc = u8;

#[derive(Clone, Debug, Default)]
pub struct Setting {
    pub actors: Vec<Actor>,
    /// `kill -9`s of any but git.
    pub kills: u8,
    /// Removals by hand of a P whose maker is dead.
    pub hands: u8,
    /// Nobody is killed between his rename and the note of it.
    pub spares_the_note: bool,
    pub mistake: Option<Slip>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Actor {
    /// Pushes one entry, and waits until it is written.
    Pusher,
    /// Pushes one entry, and is content when it is in the journal.
    Async,
    /// Drains what is pending.
    Drainer,
    /// A plain write by dotlock, which keeps what is in the file.
    Writer,
    /// The same by git, which knows nothing of queues.
    Git,
}

/// Known mistakes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slip {
    SetAsideWithoutTheJournalsLock,
    PushWithoutLookingAtThePath,
    OldAsideOverwritten,
    /// Committed if P is not the file that was named.
    IdentityAlone,
    /// The same, but whoever breaks that P clears the name first.
    NameClearedByBreakers,
    NumberAlone,
    NotedBeforeTheRename,
    NotSettledBeforeBreaking,
    NotSettledBeforeWriting,
    ToldBeforeTheCommit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Name {
    new: (Number, Birth),
    old: (Number, Birth),
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
enum Stage {
    #[default]
    Pending,
    Applied,
    Durable,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Journal {
    entries: Vec<Proc>,
    rejected: bool,
    locked: Option<Proc>,
    name: Option<Name>,
    stage: Stage,
}

/// A content of the target, in place or staged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct File {
    number: Number,
    birth: Birth,
    entries: Vec<Proc>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Pc {
    OpenJ,
    LockJ,
    CheckJ,
    Append,
    Wait,
    TakeP,
    BreakSettle,
    BreakRemove,
    Settle,
    LookA,
    LockA,
    CheckA,
    OpenJToDrain,
    LockJToDrain,
    CheckJToDrain,
    ReadJ,
    SetAside,
    Fill,
    Name,
    NoteEarly,
    Rename,
    Note,
    Durable,
    RemoveA,
    Finish,
    DropP,
    PlainFill,
    PlainRename,
    Acked,
    Refused,
    Over,
    Dead,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Process {
    actor: Actor,
    pc: Pc,
    /// The journal that it pushed to or drains, by its place in [`World::journals`].
    j: Option<usize>,
    /// That of its own entry.
    mine: Option<usize>,
    /// What it has read there.
    read: Vec<Proc>,
    /// Its own entry goes into the commit without a journal.
    direct: bool,
    /// Whose P it breaks, having its kernel lock.
    breaks: Option<Proc>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct World {
    journals: Vec<Journal>,
    j: Option<usize>,
    a: Option<usize>,
    target: File,
    /// P, and whose it is.
    p: Option<(File, Proc)>,
    procs: Vec<Process>,
    /// The order in which entries came into journals.
    order: Vec<Proc>,
    /// What is kept in `.queue.rejected`.
    kept: Vec<Proc>,
    kills: u8,
    hands: u8,
    births: Birth,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// The next system call; at a choice, the other way.
    Step(Proc, bool),
    Kill(Proc),
    Hand,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Pending,
    Applied,
    Unknown,
}

impl World {
    fn is_alive(&self, i: Proc) -> bool {
        !matches!(self.procs[i as usize].pc, Pc::Dead | Pc::Acked | Pc::Refused | Pc::Over)
    }

    /// The smallest number that no file has.
    fn new_file(&mut self) -> File {
        let used = |n: Number| self.target.number == n || self.p.as_ref().is_some_and(|(f, _)| f.number == n);
        let number = (1..).find(|&n| !used(n)).expect("there are more numbers than files");
        self.births += 1;
        File { number, birth: self.births, entries: Vec::new() }
    }

    fn outcome(&self, set: &Setting, a: usize) -> Outcome {
        let journal = &self.journals[a];
        let Some(name) = journal.name else {
            return if journal.stage == Stage::Durable { Outcome::Applied } else { Outcome::Pending };
        };
        if journal.stage == Stage::Durable {
            return Outcome::Applied;
        }
        let is = |file: &File, (number, birth)| {
            file.number == number && (set.mistake == Some(Slip::NumberAlone) || file.birth == birth)
        };
        if matches!(set.mistake, Some(Slip::IdentityAlone | Slip::NameClearedByBreakers)) {
            let stands = self.p.as_ref().is_some_and(|(f, _)| is(f, name.new));
            return if stands { Outcome::Pending } else { Outcome::Applied };
        }
        match () {
            () if is(&self.target, name.new) => Outcome::Applied,
            () if is(&self.target, name.old) => Outcome::Pending,
            () if journal.stage == Stage::Applied => Outcome::Applied,
            () => Outcome::Unknown,
        }
    }

    /// What a dotlock does that has P, or is about to remove a dead one's.
    fn settle(&mut self, set: &Setting) {
        let Some(a) = self.a else { return };
        if self.journals[a].name.is_none() {
            return;
        }
        match self.outcome(set, a) {
            Outcome::Applied if self.journals[a].stage == Stage::Pending => {
                self.journals[a].stage = Stage::Applied;
            }
            Outcome::Pending => self.journals[a].name = None,
            Outcome::Applied | Outcome::Unknown => {}
        }
    }

    fn is_free(&self, j: Option<usize>) -> bool {
        j.is_some_and(|j| self.journals[j].locked.is_none())
    }

    fn unlock(&mut self, i: Proc) {
        self.journals.iter_mut().filter(|j| j.locked == Some(i)).for_each(|j| j.locked = None);
    }

    fn can_step(&self, i: Proc) -> bool {
        let p = &self.procs[i as usize];
        match p.pc {
            Pc::LockJ | Pc::LockJToDrain | Pc::LockA => self.is_free(p.j),
            Pc::Settle | Pc::BreakSettle => self.a.is_none() || self.is_free(self.a),
            // He is woken when the lock is free, or his entry is written.
            Pc::Wait => self.is_done(p) || self.may_take(i),
            Pc::TakeP => self.may_take(i),
            _ => self.is_alive(i),
        }
    }

    fn is_done(&self, p: &Process) -> bool {
        p.mine.is_some_and(|j| self.journals[j].stage == Stage::Durable)
    }

    /// P is free, or a dead dotlock's; git takes it only in the first case.
    fn may_take(&self, i: Proc) -> bool {
        match &self.p {
            None => true,
            Some((_, owner)) => {
                self.procs[*owner as usize].pc == Pc::Dead && self.procs[i as usize].actor != Actor::Git
            }
        }
    }

    fn step(&mut self, set: &Setting, i: Proc, other: bool) {
        let slip = |s| set.mistake == Some(s);
        let me = self.procs[i as usize].clone();
        let mut next = me.clone();
        let breaks = self.p.is_some();
        let drained = |mine: Option<usize>| match me.actor {
            Actor::Pusher if mine.is_some() => Pc::Wait,
            Actor::Pusher => Pc::OpenJ,
            _ => Pc::Over,
        };
        next.pc = match me.pc {
            Pc::Acked | Pc::Refused | Pc::Over | Pc::Dead => me.pc,

            // A push: the journal, or, while nobody has the lock, no journal at all.
            Pc::OpenJ if other => {
                next.direct = true;
                Pc::TakeP
            }
            Pc::OpenJ => {
                if self.j.is_none() {
                    self.j = Some(self.journals.len());
                    self.journals.push(Journal::default());
                }
                next.j = self.j;
                Pc::LockJ
            }
            Pc::LockJ => {
                self.journals[me.j.expect("open")].locked = Some(i);
                if slip(Slip::PushWithoutLookingAtThePath) { Pc::Append } else { Pc::CheckJ }
            }
            Pc::CheckJ if self.j == me.j => Pc::Append,
            Pc::CheckJ => {
                self.unlock(i);
                next.j = None;
                Pc::OpenJ
            }
            Pc::Append => {
                let j = me.j.expect("open");
                self.journals[j].entries.push(i);
                self.order.push(i);
                self.unlock(i);
                (next.mine, next.j) = (me.j, None);
                if me.actor == Actor::Async { Pc::Acked } else { Pc::Wait }
            }
            Pc::Wait if self.is_done(&me) => {
                if self.journals[me.mine.expect("pushed")].rejected {
                    Pc::Refused
                } else {
                    Pc::Acked
                }
            }
            Pc::Wait => Pc::TakeP,

            // P, which may be a dead one's.
            Pc::TakeP if breaks => {
                next.breaks = self.p.as_ref().map(|(_, owner)| *owner);
                if slip(Slip::NotSettledBeforeBreaking) || slip(Slip::IdentityAlone) {
                    Pc::BreakRemove
                } else {
                    Pc::BreakSettle
                }
            }
            Pc::TakeP => {
                let file = self.new_file();
                self.p = Some((file, i));
                match me.actor {
                    Actor::Git => Pc::PlainFill,
                    Actor::Writer if slip(Slip::NotSettledBeforeWriting) => Pc::PlainFill,
                    _ => Pc::Settle,
                }
            }
            Pc::BreakSettle => {
                self.settle(set);
                Pc::BreakRemove
            }
            Pc::BreakRemove => {
                // Somebody else may have broken it meanwhile.
                if self.p.as_ref().map(|(_, owner)| *owner) == me.breaks {
                    self.p = None;
                }
                next.breaks = None;
                Pc::TakeP
            }
            Pc::Settle => {
                self.settle(set);
                if me.actor == Actor::Writer { Pc::PlainFill } else { Pc::LookA }
            }

            // A round.
            Pc::LookA if slip(Slip::OldAsideOverwritten) && self.j.is_some() => Pc::OpenJToDrain,
            Pc::LookA => match self.a {
                None => Pc::OpenJToDrain,
                Some(a) => {
                    next.j = Some(a);
                    Pc::LockA
                }
            },
            Pc::LockA => {
                self.journals[me.j.expect("aside")].locked = Some(i);
                Pc::CheckA
            }
            // Whoever was at work on it is done.
            Pc::CheckA if self.a != me.j => {
                self.unlock(i);
                next.j = None;
                Pc::LookA
            }
            Pc::CheckA => {
                let a = me.j.expect("aside");
                match self.outcome(set, a) {
                    Outcome::Applied => Pc::Durable,
                    Outcome::Pending => {
                        next.read = self.journals[a].entries.clone();
                        Pc::Fill
                    }
                    Outcome::Unknown => {
                        self.kept.extend(self.journals[a].entries.iter().copied());
                        self.journals[a].rejected = true;
                        Pc::Durable
                    }
                }
            }
            Pc::OpenJToDrain => match self.j {
                None if me.direct => Pc::Fill,
                None => Pc::DropP,
                Some(_) => {
                    next.j = self.j;
                    if slip(Slip::SetAsideWithoutTheJournalsLock) { Pc::ReadJ } else { Pc::LockJToDrain }
                }
            },
            Pc::LockJToDrain => {
                self.journals[me.j.expect("open")].locked = Some(i);
                Pc::CheckJToDrain
            }
            Pc::CheckJToDrain if self.j == me.j => Pc::ReadJ,
            Pc::CheckJToDrain => {
                self.unlock(i);
                Pc::OpenJToDrain
            }
            Pc::ReadJ => {
                next.read = self.journals[me.j.expect("open")].entries.clone();
                Pc::SetAside
            }
            Pc::SetAside => {
                // Its lock is kept: it is at work on it.
                (self.a, self.j) = (me.j, None);
                Pc::Fill
            }
            Pc::Fill => {
                let mut content = self.target.entries.clone();
                content.extend(&me.read);
                // What comes before our own: a journal that is there still.
                if me.direct && (me.j.is_none() || self.j.is_none()) {
                    content.push(i);
                } else {
                    next.direct = false;
                }
                if let Some((file, _)) = &mut self.p {
                    file.entries = content;
                }
                match me.j {
                    None => Pc::Rename,
                    Some(_) => Pc::Name,
                }
            }
            Pc::Name => {
                let (file, _) = self.p.as_ref().expect("ours");
                let (new, old) = ((file.number, file.birth), (self.target.number, self.target.birth));
                self.journals[me.j.expect("aside")].name = Some(Name { new, old });
                if slip(Slip::NotedBeforeTheRename) {
                    Pc::NoteEarly
                } else if slip(Slip::ToldBeforeTheCommit) {
                    self.journals[me.j.expect("aside")].stage = Stage::Durable;
                    Pc::Rename
                } else {
                    Pc::Rename
                }
            }
            Pc::NoteEarly => {
                self.journals[me.j.expect("aside")].stage = Stage::Applied;
                Pc::Rename
            }
            Pc::Rename => {
                let (file, _) = self.p.take().expect("ours");
                self.target = file;
                match me.j {
                    None => Pc::Acked,
                    Some(_) => Pc::Note,
                }
            }
            Pc::Note => {
                self.journals[me.j.expect("aside")].stage = Stage::Applied;
                Pc::Durable
            }
            Pc::Durable => {
                self.journals[me.j.expect("aside")].stage = Stage::Durable;
                Pc::RemoveA
            }
            Pc::RemoveA => {
                if self.a == me.j {
                    self.a = None;
                }
                self.unlock(i);
                Pc::Finish
            }
            // Having dealt with what is over, P is ours still: to the next.
            Pc::Finish if self.p.as_ref().is_some_and(|(_, owner)| *owner == i) => {
                (next.j, next.read) = (None, Vec::new());
                Pc::LookA
            }
            Pc::Finish => {
                (next.j, next.read) = (None, Vec::new());
                if me.direct { Pc::Acked } else { drained(me.mine) }
            }
            Pc::DropP => {
                self.p = None;
                (next.j, next.read) = (None, Vec::new());
                drained(me.mine)
            }

            // A plain write.
            Pc::PlainFill => {
                let content = self.target.entries.clone();
                if let Some((file, _)) = &mut self.p {
                    file.entries = content;
                }
                Pc::PlainRename
            }
            Pc::PlainRename => {
                let (file, _) = self.p.take().expect("ours");
                self.target = file;
                Pc::Over
            }
        };
        self.procs[i as usize] = next;
    }

    /// Forgets what nothing leads to, and what only tells histories apart.
    fn tidy(mut self) -> World {
        let mut used: Vec<usize> = [self.j, self.a].into_iter().flatten().collect();
        let alive = |p: &&Process| p.pc != Pc::Dead;
        used.extend(self.procs.iter().filter(alive).flat_map(|p| [p.j, p.mine]).flatten());
        used.sort_unstable();
        used.dedup();
        let place = |j: &mut Option<usize>| *j = j.and_then(|j| used.iter().position(|&u| u == j));
        self.procs.iter_mut().for_each(|p| {
            place(&mut p.j);
            place(&mut p.mine);
            if matches!(p.pc, Pc::Dead | Pc::Acked | Pc::Refused | Pc::Over) {
                (p.j, p.mine) = (None, None);
                p.read.clear();
            }
        });
        place(&mut self.j);
        place(&mut self.a);
        self.journals = used.iter().map(|&j| self.journals[j].clone()).collect();
        let mut births = vec![self.target.birth];
        births.extend(self.p.iter().map(|(f, _)| f.birth));
        births.extend(self.journals.iter().filter_map(|j| j.name).flat_map(|n| [n.new.1, n.old.1]));
        births.sort_unstable();
        births.dedup();
        let rank = |b: &mut Birth| *b = births.binary_search(b).expect("collected above") as Birth;
        rank(&mut self.target.birth);
        self.p.iter_mut().for_each(|(f, _)| rank(&mut f.birth));
        self.journals.iter_mut().filter_map(|j| j.name.as_mut()).for_each(|n| {
            rank(&mut n.new.1);
            rank(&mut n.old.1);
        });
        self.births = births.len() as Birth;
        self
    }

    fn count(&self, i: Proc) -> usize {
        self.target.entries.iter().filter(|&&e| e == i).count()
    }

    /// It is in a journal that is at its path, and may still be written.
    fn is_pending(&self, i: Proc) -> bool {
        [self.j, self.a]
            .into_iter()
            .flatten()
            .any(|j| self.journals[j].stage == Stage::Pending && self.journals[j].entries.contains(&i))
    }
}

impl Model for Setting {
    type State = World;
    type Action = Act;

    fn init_states(&self) -> Vec<World> {
        let first = |actor| match actor {
            Actor::Pusher | Actor::Async => Pc::OpenJ,
            Actor::Drainer | Actor::Writer | Actor::Git => Pc::TakeP,
        };
        let process = |&actor: &Actor| Process {
            actor,
            pc: first(actor),
            j: None,
            mine: None,
            read: Vec::new(),
            direct: false,
            breaks: None,
        };
        vec![World {
            journals: Vec::new(),
            j: None,
            a: None,
            target: File { number: 1, birth: 0, entries: Vec::new() },
            p: None,
            procs: self.actors.iter().map(process).collect(),
            order: Vec::new(),
            kept: Vec::new(),
            kills: self.kills,
            hands: self.hands,
            births: 0,
        }]
    }

    fn actions(&self, w: &World, acts: &mut Vec<Act>) {
        for i in 0..w.procs.len() as Proc {
            let p = &w.procs[i as usize];
            if w.can_step(i) {
                acts.push(Act::Step(i, false));
                if p.pc == Pc::OpenJ && p.actor == Actor::Pusher && w.p.is_none() {
                    acts.push(Act::Step(i, true));
                }
            }
            let spared = self.spares_the_note && p.pc == Pc::Note;
            if w.kills > 0 && w.is_alive(i) && p.actor != Actor::Git && !spared {
                acts.push(Act::Kill(i));
            }
        }
        let dead = w.p.as_ref().is_some_and(|(_, owner)| w.procs[*owner as usize].pc == Pc::Dead);
        if w.hands > 0 && dead {
            acts.push(Act::Hand);
        }
    }

    fn next_state(&self, world: &World, act: Act) -> Option<World> {
        let mut w = world.clone();
        match act {
            Act::Step(i, other) => w.step(self, i, other),
            Act::Kill(i) => {
                w.kills -= 1;
                w.unlock(i);
                w.procs[i as usize].pc = Pc::Dead;
            }
            Act::Hand => {
                w.hands -= 1;
                w.p = None;
            }
        }
        Some(w.tidy())
    }

    fn properties(&self) -> Vec<Property<Setting>> {
        vec![
            Property::always("no entry is written twice", |_, w: &World| {
                (0..w.procs.len() as Proc).all(|i| w.count(i) <= 1)
            }),
            Property::always("what is acknowledged is in the file", |_, w: &World| {
                let acked = |p: &Process| p.actor == Actor::Pusher && p.pc == Pc::Acked;
                (0..w.procs.len() as Proc).all(|i| !acked(&w.procs[i as usize]) || w.count(i) == 1)
            }),
            Property::always("what is handed in is never lost", |_, w: &World| {
                let acked = |p: &Process| p.actor == Actor::Async && p.pc == Pc::Acked;
                let somewhere = |i| w.count(i) == 1 || w.is_pending(i) || w.kept.contains(&i);
                (0..w.procs.len() as Proc).all(|i| !acked(&w.procs[i as usize]) || somewhere(i))
            }),
            Property::always("the order is that of the journal", |_, w: &World| {
                let place = |e: &Proc| w.order.iter().position(|o| o == e);
                let places: Vec<_> = w.target.entries.iter().filter_map(place).collect();
                places.is_sorted()
            }),
            Property::always("nobody is asked", |_, w: &World| w.kept.is_empty()),
            Property::always("whoever waits is not left waiting", |_, w: &World| {
                let waits = |i| w.is_alive(i) && w.procs[i as usize].actor != Actor::Git;
                let all = 0..w.procs.len() as Proc;
                all.clone().any(|i| w.can_step(i)) || !all.clone().any(waits)
            }),
        ]
    }
}
