//! The protocol, explored: every order of system calls of a few processes, with
//! every kill and power cut, and the same with known mistakes.
//!
//! `DOTLOCK_MODEL=large` explores more actors; with `-- --nocapture` the numbers
//! of states are printed.

mod machine;
mod queue;

use machine::{Kind, Mistake, Setting};
use stateright::{Checker, HasDiscoveries, Model};
use std::collections::BTreeSet;
use std::time::Instant;

use Kind::{AfterCut, Breaker, Git, Script, Writer};

/// Explores; returns the properties that do not hold.
fn explore(name: &str, setting: Setting) -> BTreeSet<&'static str> {
    let begun = Instant::now();
    let checker = setting.checker().threads(2).spawn_bfs().join();
    let found: BTreeSet<_> = checker.discoveries().into_keys().collect();
    println!("{name}: {} states in {:.1} s", checker.unique_state_count(), begun.elapsed().as_secs_f64());
    if !found.is_empty() {
        checker.discoveries().iter().take(1).for_each(|(what, path)| {
            println!("  {what}: {:?}", path.clone().into_actions());
        });
    }
    found
}

#[track_caller]
fn holds(name: &str, setting: Setting) {
    let found = explore(name, setting);
    assert!(found.is_empty(), "{name}: {found:?}");
}

/// What holds there, does not hold any more with the mistake.
#[track_caller]
fn is_found(mistake: Mistake, setting: Setting) {
    let right = explore(&format!("without {mistake:?}"), setting.clone());
    let setting = Setting { mistake: Some(mistake), ..setting };
    let checker = setting.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries();
    let wrong: Vec<_> = found.iter().filter(|(what, _)| !right.contains(*what)).collect();
    assert!(!wrong.is_empty(), "{mistake:?} was not found in {} states", checker.unique_state_count());
    for (what, path) in wrong {
        println!("{mistake:?}: not {what:?}, after {} steps", path.clone().into_actions().len());
    }
}

const NO_HUMAN: &str = "whoever wants the lock gets it, with no human";

fn of(actors: &[Kind]) -> Setting {
    Setting { actors: actors.to_vec(), ..Setting::default() }
}

#[test]
fn writers_git_kills_and_signals() {
    holds("2 writers, git, 2 kills", Setting { kills: 2, ..of(&[Writer, Writer, Git]) });
    holds("2 writers, git, signals", Setting { signals: 2, give_up: true, ..of(&[Writer, Writer, Git]) });
    holds("3 writers, 1 kill", Setting { kills: 1, ..of(&[Writer, Writer, Writer]) });
}

/// For those who have the time: `DOTLOCK_MODEL=large`.
#[test]
fn more_of_everything() {
    if std::env::var_os("DOTLOCK_MODEL").is_none_or(|v| v != "large") {
        return println!("only with DOTLOCK_MODEL=large");
    }
    holds("3 writers, git, 2 kills", Setting { kills: 2, ..of(&[Writer, Writer, Writer, Git]) });
    holds("3 writers, breaker, 2 kills", Setting { kills: 2, ..of(&[Writer, Writer, Writer, Breaker]) });
    holds(
        "3 writers, 2 signals, 1 kill",
        Setting { kills: 1, signals: 2, give_up: true, ..of(&[Writer, Writer, Writer]) },
    );
    holds("2 scripts, writer, git, 2 kills", Setting { kills: 2, ..of(&[Script, Script, Writer, Git]) });
    holds(
        "3 writers, kill, cut, writer",
        Setting { cuts: 1, kills: 1, ..of(&[Writer, Writer, Writer, AfterCut]) },
    );
}

#[test]
fn breakers_beside_writers() {
    holds("2 writers, breaker, 1 kill", Setting { kills: 1, ..of(&[Writer, Writer, Breaker]) });
    holds("writer, 2 breakers, git, 1 kill", Setting { kills: 1, ..of(&[Writer, Breaker, Breaker, Git]) });
}

#[test]
fn a_power_cut_anywhere() {
    holds("writer, cut, writer", Setting { cuts: 1, ..of(&[Writer, AfterCut]) });
    holds("2 writers, cut, writer", Setting { cuts: 1, ..of(&[Writer, Writer, AfterCut]) });
    holds("writer, kill, cut, writer", Setting { cuts: 1, kills: 1, ..of(&[Writer, Writer, AfterCut]) });
}

#[test]
fn scripts_that_acquire_and_release_twice() {
    holds("script, writer, 1 kill", Setting { kills: 1, ..of(&[Script, Writer]) });
    holds("script, writer, git, 1 kill", Setting { kills: 1, ..of(&[Script, Writer, Git]) });
}

/// There, one thing is missing: who dies after making P and before writing the
/// record leaves what nobody can tell from a foreign lock.
#[test]
fn file_systems_without_marks() {
    let setting = Setting { kills: 1, no_marks: true, ..of(&[Writer, Writer, Git]) };
    let found = explore("2 writers, git, 1 kill, no marks", setting.clone());
    assert_eq!(found, BTreeSet::from([NO_HUMAN]));
    holds("the same, killed later", Setting { late_kills: true, ..setting });
}

#[test]
fn systems_without_births() {
    let setting = Setting { kills: 1, no_births: true, ..of(&[Writer, Writer, Git]) };
    holds("2 writers, git, 1 kill, no births", setting.clone());
    let many = Setting { late_kills: true, actors: vec![Writer, Writer, Git, Git], ..setting };
    holds("2 writers, 2 gits, 1 kill, no births", many.clone());
    // Without marks, too, nothing is left that could prove a death; nobody's
    // lock is broken for that.
    let found = explore("the same, no marks either", Setting { no_marks: true, ..many });
    assert_eq!(found, BTreeSet::from([NO_HUMAN]));
}

/// What an operator must not do, and what he may.
#[test]
fn an_operators_hand() {
    let setting = Setting { hands: 1, ..of(&[Writer, Writer, Git]) };
    let found = explore("2 writers, git, a hand", setting);
    println!("  what a hand can break: {found:?}");
    // P removed while its holder works lets another in; then there are two, and
    // what is at P is not what a holder believes.
    assert!(found.contains("never two holders"), "{found:?}");
}

#[test]
fn every_known_mistake_is_found() {
    let two = || Setting { kills: 1, ..of(&[Writer, Writer, Git]) };
    is_found(Mistake::BreakWithoutKernelLock, of(&[Writer, Breaker]));
    is_found(Mistake::BreakWithoutLookingAtThePath, Setting { kills: 1, ..of(&[Writer, Writer, Breaker]) });
    is_found(Mistake::GateRemovedWithoutItsKernelLock, Setting { give_up: true, ..two() });
    // The births of files defend a second time: here they are all the same.
    is_found(Mistake::RecordLeftBehind, Setting { coarse: true, no_marks: true, late_kills: true, ..two() });
    // Without marks, as then the record counts, and it would be in a lost S.
    let three = Setting { no_marks: true, kills: 1, late_kills: true, ..of(&[Writer, Writer, Writer]) };
    is_found(Mistake::GateNotLookedAtAfterLocking, three);
    is_found(Mistake::GateRemovedAfterItWasLetGo, two());
    is_found(Mistake::HookBesideTheRename, Setting { signals: 1, ..of(&[Writer, Writer]) });
    is_found(Mistake::NoMarkAtBirth, Setting { cuts: 1, ..of(&[Writer, AfterCut]) });
    let gits = Setting { kills: 1, late_kills: true, ..of(&[Writer, Writer, Git, Git]) };
    is_found(Mistake::RecordOfAnotherFileWithTheNumber, gits);
    is_found(Mistake::ForeignIsStaleWhenTheGateIsFree, two());
    is_found(Mistake::MarkTakenOffAfterTheRename, two());
    is_found(Mistake::NoStampBeforeTheRename, Setting { cuts: 1, ..of(&[Writer, AfterCut]) });
    is_found(Mistake::ReleaseByNameAlone, of(&[Script, Writer]));
}

mod the_queue {
    use super::queue::{Actor, Setting, Slip};
    use Actor::{Async, Drainer, Git, Pusher, Writer};
    use stateright::{Checker, HasDiscoveries, Model};
    use std::collections::BTreeSet;

    /// An entry of which nobody can tell any more whether it is in the file is kept for
    /// a human to look at.
    const NOBODY_ASKED: &str = "nobody is asked";

    fn of(actors: &[Actor]) -> Setting {
        Setting { actors: actors.to_vec(), ..Setting::default() }
    }

    fn explore(name: &str, setting: Setting) -> BTreeSet<&'static str> {
        let begun = std::time::Instant::now();
        let checker = setting.checker().threads(2).spawn_bfs().join();
        let found: BTreeSet<_> = checker.discoveries().into_keys().collect();
        let (states, time) = (checker.unique_state_count(), begun.elapsed().as_secs_f64());
        println!("queue, {name}: {states} states in {time:.1} s");
        for (what, path) in checker.discoveries() {
            println!("  not {what:?}: {} steps", path.into_actions().len());
        }
        found
    }

    #[track_caller]
    fn holds(name: &str, setting: Setting) {
        assert_eq!(explore(name, setting), BTreeSet::new(), "{name}");
    }

    #[track_caller]
    fn is_found(slip: Slip, setting: Setting) {
        let right = explore(&format!("without {slip:?}"), setting.clone());
        let setting = Setting { mistake: Some(slip), ..setting };
        let checker =
            setting.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        let found = checker.discoveries();
        let wrong: Vec<_> = found.iter().filter(|(what, _)| !right.contains(*what)).collect();
        assert!(!wrong.is_empty(), "{slip:?} was not found in {} states", checker.unique_state_count());
        for (what, path) in wrong {
            println!("{slip:?}: not {what:?}, after {} steps", path.clone().into_actions().len());
        }
    }

    #[test]
    fn producers_drainers_writers_and_kills() {
        holds("2 pushers, drainer, 2 kills", Setting { kills: 2, ..of(&[Pusher, Pusher, Drainer]) });
        holds("pusher, async, writer, 2 kills", Setting { kills: 2, ..of(&[Pusher, Async, Writer]) });
        holds(
            "async, 2 drainers, writer, 1 kill",
            Setting { kills: 1, ..of(&[Async, Drainer, Drainer, Writer]) },
        );
    }

    /// Only who is killed between the rename and the note, or whose P somebody has
    /// removed by hand, can leave what another program makes a riddle of; and that is
    /// seen to be one.
    #[test]
    fn git_beside_the_queue() {
        let found = explore("pusher, async, git, 2 kills", Setting { kills: 2, ..of(&[Pusher, Async, Git]) });
        assert!(found.is_subset(&BTreeSet::from([NOBODY_ASKED])), "{found:?}");
        let hand = Setting { kills: 1, hands: 1, ..of(&[Pusher, Async, Drainer, Git]) };
        let found = explore("pusher, async, drainer, git, 1 kill, a hand", hand);
        assert_eq!(found, BTreeSet::from([NOBODY_ASKED]));
        holds("2 pushers, drainer, git", of(&[Pusher, Pusher, Drainer, Git]));
        let spared = Setting { kills: 2, spares_the_note: true, ..of(&[Pusher, Async, Drainer, Git]) };
        holds("pusher, async, drainer, git, 2 kills, but not before the note", spared);
    }

    /// For those who have the time: `DOTLOCK_MODEL=large`.
    #[test]
    fn more_of_everybody() {
        if std::env::var_os("DOTLOCK_MODEL").is_none_or(|v| v != "large") {
            return println!("only with DOTLOCK_MODEL=large");
        }
        let all = Setting { kills: 2, ..of(&[Pusher, Pusher, Drainer, Drainer, Git]) };
        let found = explore("2 pushers, 2 drainers, git, 2 kills", all);
        assert!(found.is_subset(&BTreeSet::from([NOBODY_ASKED])), "{found:?}");
        holds(
            "2 pushers, async, drainer, 2 kills",
            Setting { kills: 2, ..of(&[Pusher, Pusher, Async, Drainer]) },
        );
    }

    #[test]
    fn every_known_mistake_is_found() {
        is_found(Slip::SetAsideWithoutTheJournalsLock, of(&[Pusher, Drainer]));
        is_found(Slip::PushWithoutLookingAtThePath, of(&[Async, Pusher, Drainer]));
        is_found(Slip::OldAsideOverwritten, Setting { kills: 1, ..of(&[Async, Async, Drainer, Drainer]) });
        is_found(Slip::IdentityAlone, Setting { kills: 1, ..of(&[Async, Drainer, Drainer]) });
        // Sound, as long as nobody removes a P by hand.
        let hand = Setting { kills: 1, hands: 1, ..of(&[Async, Drainer, Drainer, Git]) };
        is_found(Slip::NameClearedByBreakers, hand.clone());
        is_found(Slip::NumberAlone, hand);
        is_found(
            Slip::NotedBeforeTheRename,
            Setting { kills: 1, hands: 1, ..of(&[Async, Drainer, Git, Drainer]) },
        );
        let spared =
            Setting { kills: 2, spares_the_note: true, ..of(&[Async, Drainer, Drainer, Git, Drainer]) };
        is_found(Slip::NotSettledBeforeBreaking, spared);
        is_found(
            Slip::NotSettledBeforeWriting,
            Setting { kills: 1, ..of(&[Async, Drainer, Writer, Drainer]) },
        );
        is_found(Slip::ToldBeforeTheCommit, Setting { kills: 1, ..of(&[Async, Drainer]) });
    }
}
