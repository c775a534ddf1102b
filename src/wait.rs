//! Waiting: the deadline, the pauses, and the only waiting loop.

use crate::error::{Error, Result};
use crate::evidence::Verdict;
use crate::owner::Purpose;
use crate::sys;
use crate::target::Target;
use crate::token::Token;
use backoff::ExponentialBackoff;
use backoff::backoff::Backoff;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After so long a wait it is said what is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// After so long it is looked whether the wait can come to an end at all.
const SUSPICION: Duration = Duration::from_millis(20);

/// How long to wait for a lock, and what to do meanwhile.
#[derive(Clone)]
pub struct Policy {
    pub(crate) wait: Option<Duration>,
    pub(crate) retries: Option<u32>,
    pub(crate) min_delay: Duration,
    pub(crate) max_delay: Duration,
    pub(crate) stale_after: Option<Duration>,
    pub(crate) break_stale: bool,
    pub(crate) label: Option<String>,
    pub(crate) purpose: Purpose,
    pub(crate) tokens: Vec<Token>,
    observer: Option<Arc<Observer>>,
}

type Observer = dyn Fn(&Event<'_>) + Send + Sync;

/// What an observer is told while a lock is waited for.
#[derive(Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The lock is not free; waiting begins.
    Blocked,
    /// Who waited for others to write his entries of the queue is about to make the
    /// lock himself. Until now there was nothing that a signal would have to clean up.
    AtHead,
    /// It has lasted half a second. Told once.
    Waiting {
        /// The file whose lock is waited for.
        target: &'a Path,
        /// What is known of it, if it is there just now.
        verdict: Option<&'a Verdict>,
        /// How long the wait may still last; `None` for ever.
        left: Option<Duration>,
    },
    /// A token was given for a lock that is not held any more, or never was.
    TokenIgnored {
        /// The file that it is for.
        target: &'a Path,
    },
}

impl Default for Policy {
    /// Waits 60 seconds, and takes over what is provably stale.
    fn default() -> Policy {
        Policy {
            wait: Some(Duration::from_secs(60)),
            retries: None,
            min_delay: Duration::from_millis(1),
            max_delay: Duration::from_millis(100),
            stale_after: None,
            break_stale: true,
            label: None,
            purpose: Purpose::Write,
            tokens: Vec::new(),
            observer: None,
        }
    }
}

impl Policy {
    /// Waits for at most `limit`; zero is a single try, `None` for ever.
    #[must_use]
    pub fn wait(self, limit: impl Into<Option<Duration>>) -> Policy {
        Policy { wait: limit.into(), ..self }
    }

    /// Tries at most `n` times after the first; the earlier limit wins. A wait
    /// that counts tries cannot sleep until it is woken: it polls.
    #[must_use]
    pub fn retries(self, n: impl Into<Option<u32>>) -> Policy {
        Policy { retries: n.into(), ..self }
    }

    /// The shortest and the longest pause where nothing can wake us: they grow
    /// by half from the first to the last, each with a quarter of jitter.
    #[must_use]
    pub fn delays(self, min: Duration, max: Duration) -> Policy {
        // A pause of nothing would be a busy loop.
        let min = min.max(Duration::from_micros(100));
        Policy { min_delay: min, max_delay: max.max(min), ..self }
    }

    /// Removes locks of which nothing is known once they are this old, by the
    /// clock of their file system. Age proves nothing: use it where no lock can
    /// be held that long.
    #[must_use]
    pub fn stale_after(self, age: impl Into<Option<Duration>>) -> Policy {
        Policy { stale_after: age.into(), ..self }
    }

    /// Whether to remove locks whose owner is provably gone (by default, yes).
    #[must_use]
    pub fn break_stale(self, yes: bool) -> Policy {
        Policy { break_stale: yes, ..self }
    }

    /// What others are told of this holder, beside program and process.
    #[must_use]
    pub fn label(self, label: impl Into<Option<String>>) -> Policy {
        Policy { label: label.into(), ..self }
    }

    /// What the lock is held for.
    #[must_use]
    pub fn purpose(self, purpose: Purpose) -> Policy {
        Policy { purpose, ..self }
    }

    /// Works under the locks that these tokens are for, where they are held still.
    #[must_use]
    pub fn under(self, tokens: Vec<Token>) -> Policy {
        Policy { tokens, ..self }
    }

    /// Is told when waiting begins and when it gets long; on any thread.
    #[must_use]
    pub fn observer(self, f: impl Fn(&Event<'_>) + Send + Sync + 'static) -> Policy {
        Policy { observer: Some(Arc::new(f)), ..self }
    }

    pub(crate) fn tell(&self, event: &Event<'_>) {
        if let Some(observer) = &self.observer {
            observer(event);
        }
    }
}

impl std::fmt::Debug for Policy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policy")
            .field("wait", &self.wait)
            .field("retries", &self.retries)
            .field("stale_after", &self.stale_after)
            .field("break_stale", &self.break_stale)
            .field("label", &self.label)
            .finish_non_exhaustive()
    }
}

/// What became of one try.
pub(crate) enum Try<T> {
    /// It is ours.
    Done(T),
    /// Things changed under our hands; try again at once, this one does not count.
    Again,
    /// Another has it. With a file, its kernel lock is what is to be waited for.
    Busy(Option<File>),
}

/// What became of a wait.
pub(crate) enum Waited<T> {
    Done(T),
    TooLong,
    /// Somebody else has done what it was wanted for.
    Needless,
}

/// One wait, from its first try to its deadline.
pub(crate) struct Wait<'a> {
    policy: &'a Policy,
    target: &'a Target,
    watch: sys::Watch,
    /// Looks at what stands in the way, for the message.
    look: Box<dyn Fn() -> Option<Verdict> + 'a>,
    /// Finds out why the wait would be in vain, if it would.
    in_vain: Box<dyn Fn() -> Option<Error> + 'a>,
    /// Whether there is no need for it any more.
    unless: Option<&'a dyn Fn() -> bool>,
    /// It waits until others are done, not to be the next one.
    follows: bool,
    suspected: bool,
    begun: Instant,
    deadline: Option<Instant>,
    failures: u32,
    pauses: Option<ExponentialBackoff>,
    blocked: bool,
    told: bool,
}

impl<'a> Wait<'a> {
    pub fn begin(
        policy: &'a Policy,
        target: &'a Target,
        look: impl Fn() -> Option<Verdict> + 'a,
        in_vain: impl Fn() -> Option<Error> + 'a,
    ) -> Wait<'a> {
        let begun = Instant::now();
        Wait {
            policy,
            target,
            watch: sys::Watch::default(),
            look: Box::new(look),
            in_vain: Box::new(in_vain),
            unless: None,
            follows: false,
            suspected: false,
            begun,
            // A limit past the end of time is none.
            deadline: policy.wait.and_then(|limit| begun.checked_add(limit)),
            failures: 0,
            pauses: None,
            blocked: false,
            told: false,
        }
    }

    /// Gives up without an error as soon as another has it and `unless` holds. Until
    /// [`Wait::is_head`] it sleeps among all who do so, and is woken with them.
    pub fn unless(self, unless: Option<&'a dyn Fn() -> bool>) -> Wait<'a> {
        Wait { unless, follows: unless.is_some(), ..self }
    }

    /// From now on it is to be the next one.
    pub fn is_head(&mut self) {
        if self.unless.is_some() {
            self.policy.tell(&Event::AtHead);
        }
        self.follows = false;
    }

    /// Since the beginning, by a clock that cannot be set.
    pub fn elapsed(&self) -> Duration {
        self.begun.elapsed()
    }

    /// How often it was tried, if the last try was the good one.
    pub fn tries(&self) -> u32 {
        self.failures + 1
    }

    /// The only waiting loop: tries until it is done, fails, or the limits of
    /// the policy are met, the last time at the deadline itself. When the kernel
    /// lock of a file was waited for, the next try is given that file, locked.
    pub fn until<T>(&mut self, mut attempt: impl FnMut(Option<File>) -> Result<Try<T>>) -> Result<Waited<T>> {
        let mut again = 0;
        let mut last = false;
        let mut locked = None;
        loop {
            if let Some(signal) = sys::signal::noted() {
                return Err(Error::Interrupted {
                    target: self.target.path().to_owned(),
                    signal: Some(signal),
                });
            }
            let busy = match attempt(locked.take())? {
                Try::Done(it) => return Ok(Waited::Done(it)),
                // Whoever removes our files in a loop gets us to pause, not to spin.
                Try::Again if again < 1000 => {
                    again += 1;
                    continue;
                }
                Try::Again => None,
                Try::Busy(file) => file,
            };
            again = 0;
            if self.unless.is_some_and(|needless| needless()) {
                return Ok(Waited::Needless);
            }
            if last || self.left().is_some_and(|left| left.is_zero()) {
                return Ok(Waited::TooLong);
            }
            if !self.blocked && !self.follows {
                self.blocked = true;
                self.policy.tell(&Event::Blocked);
                // It may have begun to listen for signals only now.
                continue;
            }
            // What was noticed is done with: to be looked at once more from now on.
            if busy.is_none() && self.policy.retries.is_none() && self.watch.begin(self.target.lock_path()) {
                continue;
            }
            self.failures += 1;
            if self.policy.retries.is_some_and(|n| self.failures > n) {
                return Ok(Waited::TooLong);
            }
            match busy {
                Some(file) if sys::WAKES && self.policy.retries.is_none() => match self.sleep_on(&file)? {
                    // With all the others; nearly always it is done.
                    Some(true) if self.follows => {
                        if self.unless.is_some_and(|needless| needless()) {
                            return Ok(Waited::Needless);
                        }
                    }
                    Some(true) => locked = Some(file),
                    Some(false) => last = true,
                    // Without a thread nothing would end the sleep at its deadline.
                    None => last = !self.pause()?,
                },
                _ => last = !self.pause()?,
            }
        }
    }

    fn left(&self) -> Option<Duration> {
        self.deadline.map(|end| end.saturating_duration_since(Instant::now()))
    }

    /// Sleeps a little, less if something is noticed; false when that was the last pause before the deadline.
    fn pause(&mut self) -> Result<bool> {
        let (min, max) = (self.policy.min_delay, self.policy.max_delay);
        let pauses = self.pauses.get_or_insert_with(|| ExponentialBackoff {
            current_interval: min,
            initial_interval: min,
            max_interval: max,
            multiplier: 1.5,
            randomization_factor: 0.25,
            max_elapsed_time: None,
            ..ExponentialBackoff::default()
        });
        let pause = pauses.next_backoff().unwrap_or(max);
        let left = self.left();
        self.watch.sleep(left.map_or(pause, |left| pause.min(left)));
        self.grow_impatient()?;
        Ok(self.left().is_none_or(|left| !left.is_zero()))
    }

    /// Sleeps until the kernel gives us `file`'s lock. False at the deadline;
    /// `None` if it could not sleep, as nothing would have ended that.
    fn sleep_on(&mut self, file: &File) -> Result<Option<bool>> {
        loop {
            let suspicion = (!self.suspected).then(|| self.begun + SUSPICION);
            let patience = (!self.told).then(|| self.begun + PATIENCE);
            let end = earlier(earlier(suspicion, patience), self.deadline);
            let slept = if self.follows { sys::wait_unlocked(file, end) } else { sys::lock_until(file, end) };
            match slept {
                Ok(true) => return Ok(Some(true)),
                Ok(false) => {}
                // Whatever is wrong, the next try will run into it.
                Err(_) => return Ok(None),
            }
            if self.left().is_some_and(|left| left.is_zero()) {
                return Ok(Some(false));
            }
            self.grow_impatient()?;
        }
    }

    /// What is due after so long a wait: to find out whether it is in vain, and to
    /// say what is waited for. Each once.
    fn grow_impatient(&mut self) -> Result<()> {
        if !self.suspected && self.elapsed() >= SUSPICION {
            self.suspected = true;
            (self.in_vain)().map_or(Ok(()), Err)?;
        }
        if !self.told && self.elapsed() >= PATIENCE {
            self.told = true;
            let (verdict, left) = ((self.look)(), self.left());
            self.policy.tell(&Event::Waiting { target: self.target.path(), verdict: verdict.as_ref(), left });
        }
        Ok(())
    }
}

fn earlier(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    [a, b].into_iter().flatten().min()
}
