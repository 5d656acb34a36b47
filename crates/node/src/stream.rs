//! Streams: opening, and the path of an append.
//!
//! JavaScript writes records into arenas and submits ranges of them by calls of numbers only; what became of them it
//! fetches when it is woken, by one call for each commit at most. The commit thread is joined by `close`, by the
//! finalizer, or by the environment's cleanup hook, so that it never outlives its environment; and before the arenas are
//! given up, so that it never reads memory that is gone.

use std::cell::RefCell;
use std::fmt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use napi::bindgen_prelude::{AsyncTask, Env};
use napi_derive::napi;
use pstream_core::io::Io;
use pstream_core::stream::cursor::Folder;
use pstream_core::stream::read::Snapshot;
use pstream_core::stream::{Append, Group, Level, Log, LogOptions, PendingKind, Refused, destroy, make_folder};
use pstream_core::{Error, ErrorKind, OsIo, Result, sequence};

use crate::arena::{Arena, Lease};
use crate::error::{Failure, count, internal, number};
use crate::stream_data::{RawStats, RawStreamOptions, StreamInfo};
use crate::stream_held::{Held, Holders};
use crate::stream_inbox::{Inbox, RawSettled, RawTrimmed, Teller, Wake};
use crate::stream_runs::Snapshots;
use crate::task::{Job, Outcome, guarded, job};

/// What the commit thread and the thread pool share with the JavaScript thread.
struct Engine {
    group: OnceLock<Group>,
    /// Whether what was not even submitted is committed when the environment ends.
    flush_on_exit: AtomicBool,
    /// So that whoever closes second waits for the first.
    closing: Mutex<()>,
    inbox: Arc<Inbox>,
    /// What reads it.
    holders: Holders,
    cursors: OnceLock<Folder>,
}

impl Engine {
    fn group(&self) -> Result<&Group> {
        self.group.get().ok_or_else(|| internal("the stream is not open"))
    }

    fn open(&self, directory: &Path, name: String, options: &RawStreamOptions) -> Result<StreamInfo> {
        let begin = Instant::now();
        let log_options = options.log(name.clone());
        log_options.check()?;
        log_options.check_place(&OsIo, directory)?;
        Self::prepare(directory, &log_options.name, options.create)?;
        let (log, recovery) = Log::open(Arc::new(OsIo), directory, log_options)?;
        // A limit makes files smaller, and records with them.
        let max_record_bytes = log.options().max_record_bytes()?;
        let elapsed = begin.elapsed();
        let resolved = OsIo.canonicalize(directory).map_err(|error| Error::io("realpath", directory, error))?;
        let group = Group::start(log, options.group(), Box::new(Teller(Arc::clone(&self.inbox))))?;
        let cursors = Folder::new(Arc::new(OsIo), &resolved, &name);
        self.cursors.set(cursors).map_err(|_| internal("the stream is open already"))?;
        self.flush_on_exit.store(options.flush_on_exit, Ordering::Relaxed);
        self.group.set(group).map_err(|_| internal("the stream is open already"))?;
        Ok(StreamInfo {
            directory: resolved.to_string_lossy().into_owned(),
            max_record_bytes: number(max_record_bytes),
            elapsed_ms: elapsed.as_secs_f64() * 1000.0,
            ..StreamInfo::from(recovery)
        })
    }

    /// Makes the folder, unless that is not wanted; then the stream must be there.
    fn prepare(directory: &Path, name: &str, create: bool) -> Result<()> {
        match sequence::inspect(&OsIo, directory, name) {
            Ok(report) if !report.files.is_empty() => Ok(()),
            Err(error) if *error.kind() != ErrorKind::NotFound => Err(error),
            _ if create => make_folder(&OsIo, directory),
            Err(error) => Err(error),
            Ok(_) => {
                let message = format!("there is no stream '{name}' in '{}'", directory.display());
                Err(Error::new(ErrorKind::NotFound, message).at_path(directory))
            }
        }
    }

    /// Submits what JavaScript has written and had no time to submit: there is no event in a worker that is terminated.
    fn hand_over_rest(&self, arenas: &Arenas) {
        if !self.flush_on_exit.load(Ordering::Relaxed) {
            return;
        }
        let Ok(group) = self.group() else { return };
        let mut arenas = arenas.lock().unwrap_or_else(PoisonError::into_inner);
        for append in arenas.iter_mut().flatten().filter_map(Arena::take_unsubmitted) {
            // A stream that is being closed takes nothing more.
            drop(group.append(append));
        }
    }

    fn close(&self) -> Result<()> {
        let _turn = self.closing.lock().unwrap_or_else(PoisonError::into_inner);
        let closed = self.group.get().map_or(Ok(()), Group::close);
        self.holders.close();
        closed
    }
}

type Arenas = Mutex<Vec<Option<Arena>>>;

/// A stream, open for writing. Dropped by the garbage collector, it is closed.
#[napi]
pub struct NativeStream {
    engine: Arc<Engine>,
    /// Not the engine's: they belong to the JavaScript thread.
    arenas: Arc<Arenas>,
}

impl fmt::Debug for NativeStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NativeStream").field("group", &self.engine.group.get()).finish_non_exhaustive()
    }
}

/// The streams of an environment, by its address. All of them belong to the thread that they are on.
type Streams = Vec<(usize, Weak<Engine>, Weak<Arenas>)>;

thread_local! {
    static STREAMS: RefCell<Streams> = const { RefCell::new(Vec::new()) };
}

/// How long an environment that ends waits for what its streams have not committed, all of them together.
const EXIT: Duration = Duration::from_secs(2);

/// Ends all streams of an environment that ends, the first time that it is called for one: whatever the number of
/// streams, they have one deadline.
fn end_all(env: usize) {
    let streams = STREAMS.with_borrow_mut(|all| {
        let (ours, others) = std::mem::take(all).into_iter().partition(|(other, ..)| *other == env);
        *all = others;
        let ours: Streams = ours;
        ours
    });
    let alive = |(_, engine, arenas): (usize, Weak<Engine>, Weak<Arenas>)| Some((engine.upgrade()?, arenas.upgrade()?));
    let streams: Vec<_> = streams.into_iter().filter_map(alive).collect();
    let Some(deadline) = Instant::now().checked_add(EXIT) else { return };
    for (engine, arenas) in &streams {
        drop(guarded(|| {
            engine.hand_over_rest(arenas);
            engine.group().map(|group| group.close_by(deadline))
        }));
    }
    for (engine, arenas) in &streams {
        end(engine, arenas);
    }
}

/// Ends the thread; then nobody reads the arenas any more.
fn end(engine: &Engine, arenas: &Arenas) {
    // Whoever wants to know of errors has called `close`.
    drop(guarded(|| engine.close()));
    arenas.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

impl Drop for NativeStream {
    fn drop(&mut self) {
        end(&self.engine, &self.arenas);
    }
}

impl NativeStream {
    /// What can be read now.
    pub(crate) fn snapshot(&self, level: Level) -> Result<Snapshot> {
        self.engine.group()?.snapshot(level)
    }

    /// The same for who follows, whenever it is asked for, unless the stream is gone by then.
    pub(crate) fn snapshots(&self, level: Level) -> Snapshots {
        let engine = Arc::downgrade(&self.engine);
        Box::new(move || {
            let closed = || Error::new(ErrorKind::Closed, "stream is closed");
            engine.upgrade().ok_or_else(closed)?.group()?.follow(level)
        })
    }

    /// Its cursors.
    pub(crate) fn cursors(&self) -> Result<Folder> {
        self.engine.cursors.get().cloned().ok_or_else(|| internal("the stream is not open"))
    }

    /// Keeps account of what reads it.
    pub(crate) fn hold<T: Send + 'static>(&self, what: T) -> Result<Arc<Held<T>>> {
        self.engine.holders.hold(what)
    }
}

#[napi]
impl NativeStream {
    /// Not open yet. `wake` is called when there is something to fetch.
    #[napi(constructor, ts_args_type = "wake: () => void")]
    pub fn new(env: Env, wake: Wake) -> napi::Result<Self> {
        let inbox = Arc::new(Inbox::new(wake));
        let (group, flush_on_exit, closing) = (OnceLock::new(), AtomicBool::new(false), Mutex::default());
        let engine = Arc::new(Engine {
            group,
            flush_on_exit,
            closing,
            inbox,
            holders: Holders::default(),
            cursors: OnceLock::new(),
        });
        let arenas = Arc::new(Arenas::default());
        // Hooks run in reverse order: this one before that of the threadsafe function, which was made earlier.
        let address = env.raw().addr();
        STREAMS.with_borrow_mut(|all| {
            all.retain(|(_, engine, _)| engine.strong_count() > 0);
            all.push((address, Arc::downgrade(&engine), Arc::downgrade(&arenas)));
        });
        env.add_env_cleanup_hook(address, end_all)?;
        Ok(Self { engine, arenas })
    }

    /// Opens it, without waiting for a lock that is held. After a failure it may be called again.
    #[napi(ts_return_type = "Promise<StreamInfo | Failure>")]
    pub fn open(&self, directory: String, name: String, options: RawStreamOptions) -> AsyncTask<Job<StreamInfo>> {
        let engine = Arc::clone(&self.engine);
        job(move || engine.open(Path::new(&directory), name, &options))
    }

    /// Takes a buffer to be written to by JavaScript from now on; returns its number.
    #[napi(ts_args_type = "memory: ArrayBuffer")]
    pub fn attach(&self, memory: Lease) -> u32 {
        let mut arenas = self.arenas();
        let free = arenas.iter().position(Option::is_none).unwrap_or(arenas.len());
        if free == arenas.len() {
            arenas.push(None);
        }
        if let Some(slot) = arenas.get_mut(free) {
            *slot = Some(Arena::new(memory));
        }
        u32::try_from(free).unwrap_or(u32::MAX)
    }

    /// Gives a buffer up, if nothing of it is on loan; says whether it did.
    #[napi]
    pub fn detach(&self, arena: u32) -> bool {
        let mut arenas = self.arenas();
        let Some(slot) = arenas.get_mut(index(arena)) else { return false };
        slot.take_if(Arena::is_idle).is_some()
    }

    /// Hands over `records` records in a range of an arena; returns the ticket. `together`: all or none survive.
    /// `written`: good when they survive the process.
    #[napi(ts_return_type = "number | Failure")]
    pub fn submit(
        &self,
        arena: u32,
        begin: u32,
        length: u32,
        records: u32,
        together: bool,
        written: bool,
    ) -> Outcome<i64> {
        guarded(|| {
            let loan = {
                let mut arenas = self.arenas();
                let arena = arenas.get_mut(index(arena)).and_then(Option::as_mut);
                arena.and_then(|arena| arena.lend(index(begin), index(length)))
            };
            let loan = loan.ok_or_else(|| internal("that is no range of an arena"))?;
            let append = Append {
                kind: if together { PendingKind::Together } else { PendingKind::Records },
                payload: Box::new(loan),
                count: records,
                level: if written { Level::Written } else { Level::Durable },
            };
            self.engine.group()?.append(append).map(number).map_err(|refused| match refused {
                Refused::Never(error) => error,
                Refused::Full(_) => Error::new(ErrorKind::Backpressure, "too much waits to be committed"),
            })
        })
    }

    /// Asks for everything handed over so far to be durable; returns the ticket that says so.
    #[napi(ts_return_type = "number | Failure")]
    pub fn flush(&self) -> Outcome<i64> {
        guarded(|| self.engine.group()?.flush().map(number))
    }

    /// Waits until it is known what became of the ticket, for at most so many milliseconds; negative: as long as it takes.
    /// Says whether it is.
    #[napi(ts_return_type = "boolean | Failure")]
    pub fn wait(&self, ticket: i64, timeout_ms: f64) -> Outcome<bool> {
        guarded(|| {
            let timeout = Duration::try_from_secs_f64(timeout_ms / 1000.0).ok();
            let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
            Ok(self.engine.group()?.wait(count(ticket), deadline))
        })
    }

    /// Gives up what waits: no time is left for it. At most the commit under way is waited for when the stream is closed.
    #[napi]
    pub fn give_up(&self) {
        if let Ok(group) = self.engine.group() {
            group.close_by(Instant::now());
        }
    }

    /// What has settled since the last call, in order.
    #[napi]
    pub fn take_settled(&self) -> Vec<RawSettled> {
        self.engine.inbox.take_settled()
    }

    /// Asks for the release of the files in front of a record. What comes of it is told under `id`.
    #[napi(ts_return_type = "Failure | undefined")]
    pub fn trim(&self, id: u32, before: i64, force: bool) -> Outcome<()> {
        let inbox = Arc::clone(&self.engine.inbox);
        guarded(|| self.engine.group()?.trim(count(before), force, move |done| inbox.trimmed(id, done)))
    }

    /// What came of trims since the last call.
    #[napi]
    pub fn take_trimmed(&self) -> Vec<RawTrimmed> {
        self.engine.inbox.take_trimmed()
    }

    /// Everything below this seq is durable.
    #[napi(ts_return_type = "number | Failure")]
    pub fn durable_seq(&self) -> Outcome<i64> {
        guarded(|| Ok(number(self.engine.group()?.durable().seq)))
    }

    /// Everything below this seq is written, durable or not.
    #[napi(ts_return_type = "number | Failure")]
    pub fn written_seq(&self) -> Outcome<i64> {
        guarded(|| Ok(number(self.engine.group()?.written().seq)))
    }

    /// Changes when what is written and not durable may be lost; odd as long as nothing can become durable.
    #[napi(ts_return_type = "number | Failure")]
    pub fn doubts(&self) -> Outcome<i64> {
        guarded(|| Ok(number(self.engine.group()?.doubts())))
    }

    /// How often the writer has recovered.
    #[napi(ts_return_type = "number | Failure")]
    pub fn generation(&self) -> Outcome<i64> {
        guarded(|| Ok(number(self.engine.group()?.generation())))
    }

    /// The first record, as far as it is known without looking.
    #[napi]
    pub fn oldest_seq(&self) -> Option<i64> {
        self.engine.group().ok()?.known_oldest_seq().map(number)
    }

    /// What it has done and what it takes; also when it is closed.
    #[napi(ts_return_type = "RawStats | Failure")]
    pub fn stats(&self) -> Outcome<RawStats> {
        guarded(|| Ok(self.engine.group()?.stats().into()))
    }

    /// Commits what waits, and closes the stream. Everything has settled when it resolves.
    #[napi(ts_return_type = "Promise<Failure | undefined>")]
    pub fn close(&self) -> AsyncTask<Job<()>> {
        let engine = Arc::clone(&self.engine);
        job(move || engine.close())
    }

    /// The same, on this thread; waits for a close that is under way.
    #[napi(ts_return_type = "Failure | undefined")]
    pub fn close_sync(&self) -> Option<Failure> {
        match guarded(|| self.engine.close()) {
            Outcome::A(()) => None,
            Outcome::B(failure) => Some(failure),
        }
    }

    fn arenas(&self) -> MutexGuard<'_, Vec<Option<Arena>>> {
        self.arenas.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Removes a stream, without waiting for a lock that is held.
#[napi(ts_return_type = "Promise<Failure | undefined>")]
pub fn destroy_stream(directory: String, name: String) -> AsyncTask<Job<()>> {
    job(move || {
        let mut options = LogOptions::new(name);
        options.sequence.lock_timeout = Duration::ZERO;
        let io: Arc<dyn Io> = Arc::new(OsIo);
        destroy(&io, Path::new(&directory), &options)
    })
}

fn index(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
