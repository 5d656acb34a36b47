//! What goes in when a stream is opened, and what comes out, as plain data.

use std::path::PathBuf;
use std::time::Duration;

use napi_derive::napi;
use pstream_core::stream::{
    Gap, GroupOptions, LogOptions, Mode, Network, Previous, Recovery, Retention, Stats, Torn, WhenLimited,
};
use pstream_core::{LockMode, SequenceOptions};

use crate::error::{count, number};
use crate::file::RawFileOptions;

/// How a stream is opened. Every field is given.
#[napi(object, object_to_js = false)]
#[derive(Debug)]
pub struct RawStreamOptions {
    /// `create`.
    pub create: bool,
    /// In bytes.
    pub file_size: i64,
    /// In bytes.
    pub block_size: i64,
    /// `commitAlignment: '4KiB'`.
    pub aligned: bool,
    /// `recovery: 'salvage'`.
    pub salvage: bool,
    /// `network: 'allow'`.
    pub allow_network: bool,
    /// How files are made and used.
    pub file: RawFileOptions,
    /// `commitDelayMs`.
    pub commit_delay_ms: i64,
    /// `syncIntervalMs`.
    pub sync_interval_ms: i64,
    /// `flushOnExit`.
    pub flush_on_exit: bool,
    /// `retention`.
    pub retention: RawRetention,
}

/// What a stream lets go of by itself, and how large it may grow. What is not given is not there.
#[napi(object, object_to_js = false)]
#[derive(Debug)]
pub struct RawRetention {
    /// `maxBytes`.
    pub max_bytes: Option<i64>,
    /// `maxAgeMs`.
    pub max_age_ms: Option<i64>,
    /// `keepForCursors`.
    pub keep_for_cursors: bool,
    /// `limitBytes`.
    pub limit_bytes: Option<i64>,
    /// `whenLimited: 'trim'`.
    pub trim_when_limited: bool,
}

impl RawRetention {
    fn retention(&self) -> Retention {
        Retention {
            max_bytes: self.max_bytes.map(count),
            max_age: self.max_age_ms.map(count).map(Duration::from_millis),
            keep_for_cursors: self.keep_for_cursors,
            limit_bytes: self.limit_bytes.map(count),
            when_limited: if self.trim_when_limited { WhenLimited::Trim } else { WhenLimited::Reject },
        }
    }
}

impl RawStreamOptions {
    pub(crate) fn log(&self, name: String) -> LogOptions {
        LogOptions {
            file_size: count(self.file_size),
            block_size: count(self.block_size),
            aligned: self.aligned,
            recovery: if self.salvage { Mode::Salvage } else { Mode::Strict },
            sequence: SequenceOptions {
                create: self.file.create(),
                lock: LockMode::Required,
                // The waiting is done in TypeScript, where it occupies no thread.
                lock_timeout: Duration::ZERO,
                ..SequenceOptions::default()
            },
            retention: self.retention.retention(),
            network: if self.allow_network { Network::Allow } else { Network::Refuse },
            ..LogOptions::new(name)
        }
    }

    pub(crate) fn group(&self) -> GroupOptions {
        GroupOptions {
            // Counted in TypeScript, which refuses before it takes anything.
            max_pending_bytes: u64::MAX,
            commit_delay: Duration::from_millis(count(self.commit_delay_ms)),
            sync_interval: Duration::from_millis(count(self.sync_interval_ms)),
        }
    }
}

/// A torn tail that was cut off.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawTorn {
    /// Path of the file.
    pub file: String,
    /// The block in which it began.
    pub block: i64,
    /// The position in the stream.
    pub position: i64,
    /// How many bytes.
    pub bytes: i64,
    /// Where a copy is.
    pub saved_as: Option<String>,
}

/// Damage that was gone past.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawGap {
    /// Path of the file, if it is there.
    pub file: Option<String>,
    /// The position in the stream, as far as it is known.
    pub position: Option<i64>,
    /// The first seq that may be gone, as far as it is known.
    pub from_seq: Option<i64>,
    /// The first seq behind it.
    pub to_seq: i64,
}

/// What opening has found, and what does not change as long as the stream is open.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct StreamInfo {
    /// The folder, resolved.
    pub directory: String,
    /// The largest record.
    pub max_record_bytes: i64,
    /// How the previous writer ended.
    pub previous: String,
    /// The first record, as far as it is known.
    pub oldest_seq: Option<i64>,
    /// The next record.
    pub next_seq: i64,
    /// What was cut off.
    pub torn: Option<RawTorn>,
    /// What was gone past.
    pub gaps: Vec<RawGap>,
    /// Files that are of no use any more, or not yet.
    pub leftovers: Vec<String>,
    /// How long all that took.
    pub elapsed_ms: f64,
}

impl From<Recovery> for StreamInfo {
    fn from(recovery: Recovery) -> Self {
        let previous = match recovery.previous {
            Previous::New => "new",
            Previous::Closed => "closed",
            Previous::Crashed => "crashed",
        };
        Self {
            directory: String::new(),
            max_record_bytes: 0,
            previous: previous.to_owned(),
            oldest_seq: recovery.oldest_seq.map(number),
            next_seq: number(recovery.next_seq),
            torn: recovery.torn.map(RawTorn::from),
            gaps: recovery.gaps.into_iter().map(RawGap::from).collect(),
            leftovers: recovery.leftovers,
            elapsed_ms: 0.0,
        }
    }
}

/// What a stream has done and what it takes; as of its last commit.
#[napi(object, object_from_js = false)]
#[derive(Debug)]
pub struct RawStats {
    /// Commits that have succeeded.
    pub commits: i64,
    /// Syncs that have succeeded.
    pub syncs: i64,
    /// Files in use.
    pub files: i64,
    /// Bytes of all files.
    pub bytes_on_disk: i64,
    /// Bytes up to the end of the stream.
    pub bytes_used: i64,
    /// Of commits, in milliseconds.
    pub p50: f64,
    /// The same.
    pub p99: f64,
    /// The same.
    pub max: f64,
}

impl From<Stats> for RawStats {
    fn from(stats: Stats) -> Self {
        let Stats { commits, syncs, footprint, latency } = stats;
        let ms = |duration: Duration| duration.as_secs_f64() * 1000.0;
        Self {
            commits: number(commits),
            syncs: number(syncs),
            files: number(footprint.files),
            bytes_on_disk: number(footprint.on_disk),
            bytes_used: number(footprint.used),
            p50: ms(latency.p50),
            p99: ms(latency.p99),
            max: ms(latency.max),
        }
    }
}

impl From<Torn> for RawTorn {
    fn from(torn: Torn) -> Self {
        Self {
            file: text(torn.file),
            block: number(torn.block),
            position: number(torn.position),
            bytes: number(torn.bytes),
            saved_as: torn.saved_as.map(text),
        }
    }
}

impl From<Gap> for RawGap {
    fn from(gap: Gap) -> Self {
        Self {
            file: gap.file.map(text),
            position: gap.position.map(number),
            from_seq: gap.from_seq.map(number),
            to_seq: number(gap.to_seq),
        }
    }
}

fn text(path: PathBuf) -> String {
    path.into_os_string().into_string().unwrap_or_else(|path| path.to_string_lossy().into_owned())
}
