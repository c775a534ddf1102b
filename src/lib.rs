//! placeholder
mod error;
mod gate;
mod lock;
mod owner;
mod publish;
mod sys;
mod target;
mod wait;

pub use error::{Error, Result, show};
pub use lock::{CommitOptions, Committed, Lock, acquire, acquire_target, roll_back_all};
pub use owner::{Holder, State, Verdict};
pub use publish::{
    Gatherer, Input, PublishOptions, Published, gather, gather_child, gather_file, gather_stdin, publish, update,
};
pub use sys::{Sync, exit_code, signal};
pub use target::Target;
pub use wait::{Event, Policy};
