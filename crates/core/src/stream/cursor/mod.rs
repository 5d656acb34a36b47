//! Cursors: durable positions of named consumers.
//!
//! - `name`: their names, and those of their files
//! - `slots`: the two slots of a cursor's file
//! - `guard`: what keeps the making of cursors and trimming apart
//! - `folder`: all cursors of a stream
//! - `held`: one in the hands of its consumer

mod folder;
mod guard;
mod held;
mod name;
mod slots;

pub use folder::{Folder, Listed, State};
pub use guard::Guard;
pub use held::Cursor;
