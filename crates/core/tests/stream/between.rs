//! A log at work while something is done on the side, all on one thread: commits are made in front of one of its calls.

use std::sync::{Arc, Mutex};

use pstream_core::io::Io;
use pstream_core::stream::{Level, Log, PendingKind};
use pstream_sim::SimDisk;

use crate::harness::{open_with, options, record};
use crate::hooked::Hooked;
use crate::oracle::Oracle;
use crate::program::commit;

/// A log at work, and what was promised of it.
pub(crate) struct Work {
    pub(crate) log: Log,
    pub(crate) oracle: Oracle,
    pub(crate) failed: bool,
    number: u64,
}

impl Work {
    pub(crate) fn commit(&mut self, level: Level, len: usize) {
        if self.failed {
            return;
        }
        self.number += 1;
        let records = vec![record(self.number, len)];
        self.failed = commit(&mut self.oracle, &mut self.log, PendingKind::Records, level, &records).is_err();
    }
}

/// Where the log is while something is done on the side, and how many calls that has made.
pub(crate) struct Between {
    work: Arc<Mutex<Option<Work>>>,
    calls: Arc<Mutex<Option<usize>>>,
}

impl Between {
    /// Opens the log. Two commits will be made in front of call `at`. `None` if it cannot be opened.
    pub(crate) fn open(disk: &SimDisk, at: usize) -> Option<(Self, Work)> {
        let between = Self { work: Arc::default(), calls: Arc::default() };
        let (theirs, counter) = (Arc::clone(&between.work), Arc::clone(&between.calls));
        let io: Arc<dyn Io> = Arc::new(Hooked::over(disk.io(), move |_, _| {
            // Not the calls of the log itself, which is locked then.
            if let Ok(mut work) = theirs.try_lock()
                && let Some(count) = counter.lock().unwrap().as_mut()
            {
                *count += 1;
                if *count == at
                    && let Some(work) = work.as_mut()
                {
                    work.commit(Level::Durable, 900);
                    work.commit(Level::Written, 300);
                }
            }
            Ok(())
        }));
        let (log, _) = open_with(&io, &options()).ok()?;
        Some((between, Work { log, oracle: Oracle::default(), number: 0, failed: false }))
    }

    /// Does it, and returns how many calls that had.
    pub(crate) fn run(self, work: Work, side: impl FnOnce()) -> (usize, Work) {
        *self.work.lock().unwrap() = Some(work);
        *self.calls.lock().unwrap() = Some(0);
        side();
        let count = self.calls.lock().unwrap().take().unwrap();
        let work = self.work.lock().unwrap().take().unwrap();
        (count, work)
    }
}
