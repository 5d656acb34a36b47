//! Memory of JavaScript, lent to the engine: the only unsafe code outside `sys/`. A [`Lease`] lends a whole buffer to one
//! job of the pool; an [`Arena`] lends ranges of a buffer to a commit thread, while JavaScript goes on writing behind
//! them.
//!
//! Only memory that the TypeScript layer has made for this purpose gets here: plain `ArrayBuffer`s that no user has
//! seen, so that none can be detached, resized, transferred or written to while a thread of the pool works on it. Two
//! things are not left to trust: that the buffer stays alive, for which a [`Lease`] holds a reference; and that no two
//! leases overlap, for which this module keeps account of what is lent.

use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{Error, Result, Status, ValueType, sys};
use pstream_core::format::batch::Records;
use pstream_core::stream::{Append, Level, Payload, PendingKind};

/// Where the buffers on lease begin, in all environments of the process. A few entries: one for each job under way.
static LENT: Mutex<Vec<usize>> = Mutex::new(Vec::new());

fn lent() -> MutexGuard<'static, Vec<usize>> {
    LENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Exclusive use of the bytes of one `ArrayBuffer` until it is dropped, from whatever thread has it. It must be dropped
/// on the thread of its environment, and is: a [`crate::task::Job`] is made and dropped there, also when the
/// environment ends before the job is done, because Node.js waits for the pool first; and so is the [`Arena`] of a
/// stream, which is given up by a call, by a finalizer or by the environment's cleanup hook.
pub struct Lease {
    env: sys::napi_env,
    reference: sys::napi_ref,
    home: ThreadId,
    begin: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory may be used from any thread: it is allocated outside of the JavaScript heap, does not move, is kept
// alive by the reference, and is nobody else's meanwhile. `env` and `reference` are used by `drop` alone, and there only
// on the thread that they belong to.
unsafe impl Send for Lease {}

impl Lease {
    /// The memory.
    pub(crate) fn bytes(&mut self) -> &mut [u8] {
        // SAFETY: `begin` and `len` are what Node.js said of a buffer that the reference keeps alive. It is plain memory
        // that was initialised when it was made. Nobody else uses it: no other lease (see `LENT`), and not JavaScript,
        // whose side of the bargain is kept in `ts/arena.ts`.
        unsafe { std::slice::from_raw_parts_mut(self.begin.as_ptr(), self.len) }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("len", &self.len).finish_non_exhaustive()
    }
}

impl FromNapiValue for Lease {
    unsafe fn from_napi_value(env: sys::napi_env, value: sys::napi_value) -> Result<Self> {
        let (mut data, mut len) = (ptr::null_mut(), 0_usize);
        // SAFETY: `env` and `value` are those of a call that is being made; both results are written to locals.
        check(unsafe { sys::napi_get_arraybuffer_info(env, value, &raw mut data, &raw mut len) })?;
        let begin = NonNull::new(data.cast::<u8>()).ok_or_else(|| invalid("the buffer is empty"))?;
        let mut lent = lent();
        if lent.contains(&begin.addr().get()) {
            return Err(invalid("the buffer is in use"));
        }
        let mut reference = ptr::null_mut();
        // SAFETY: as above; a count of 1 keeps the buffer from being collected until the reference is deleted.
        check(unsafe { sys::napi_create_reference(env, value, 1, &raw mut reference) })?;
        lent.push(begin.addr().get());
        Ok(Self { env, reference, home: thread::current().id(), begin, len })
    }
}

impl TypeName for Lease {
    fn type_name() -> &'static str {
        "ArrayBuffer"
    }

    fn value_type() -> ValueType {
        ValueType::Object
    }
}

impl ValidateNapiValue for Lease {}

impl Drop for Lease {
    fn drop(&mut self) {
        let begin = self.begin.addr().get();
        lent().retain(|other| *other != begin);
        // On any other thread the buffer is leaked rather than touched. It does not happen.
        if thread::current().id() == self.home {
            // SAFETY: `reference` was made in `env` on this thread and is deleted once. The environment is still there:
            // it completes its jobs before it goes. Nothing can be done about a failure.
            unsafe { sys::napi_delete_reference(self.env, self.reference) };
        }
    }
}

/// What an arena begins with: where the records begin and end that are written and not submitted yet, and how they are to
/// be committed, as three numbers of 32 bits. JavaScript writes the end last, behind the bytes, so that whatever moment
/// its thread is stopped at, everything in front of the end is whole; 0: there are none. See `ts/arenas.ts`.
const HEADER: usize = 16;
/// All or none survive.
const TOGETHER: u32 = 1;
/// Good when they survive the process.
const WRITTEN: u32 = 2;

/// A buffer that JavaScript fills behind the header, and of which it lends one range after the other. JavaScript writes
/// behind what is lent, never inside it, and starts over when nothing is: its side of the bargain is kept in
/// `ts/appender.ts`, and as far as the ranges go it is checked here.
#[derive(Debug)]
pub struct Arena {
    /// `None` while it is dropped.
    lease: Option<Lease>,
    /// One more for each range on loan.
    loans: Arc<()>,
    /// Everything in front of it was lent since nothing was last.
    upto: usize,
}

impl Arena {
    pub(crate) fn new(lease: Lease) -> Self {
        Self { lease: Some(lease), loans: Arc::new(()), upto: HEADER }
    }

    /// Whether nothing is on loan. Whatever was done with the ranges has happened before.
    pub(crate) fn is_idle(&mut self) -> bool {
        // Not the count, which synchronises with nothing.
        Arc::get_mut(&mut self.loans).is_some()
    }

    /// Lends `len` bytes from `begin` on; `None` if they are not within the buffer, or may be on loan already.
    pub(crate) fn lend(&mut self, begin: usize, len: usize) -> Option<Loan> {
        if self.is_idle() {
            self.upto = HEADER;
        }
        self.set_header(1, 0);
        let lease = self.lease.as_ref()?;
        let end = begin.checked_add(len)?;
        if begin < self.upto || end > lease.len {
            return None;
        }
        self.upto = end;
        // SAFETY: `begin` is at most `lease.len`, so that the result is within the buffer or one past its end.
        let begin = unsafe { lease.begin.add(begin) };
        Some(Loan { begin, len, _held: Arc::clone(&self.loans) })
    }

    /// Records that were written and never submitted: the environment has come to its end before that.
    pub(crate) fn take_unsubmitted(&mut self) -> Option<Append> {
        let [begin, end, flags] = [0, 1, 2].map(|at| self.header(at));
        let (begin, end) = (usize::try_from(begin).ok()?, usize::try_from(end).ok()?);
        let loan = self.lend(begin, end.checked_sub(begin).filter(|len| *len > 0)?)?;
        let records = Records::of(loan.bytes());
        let count = records.map(|record| record.map(|_| 1_u32)).sum::<Option<u32>>()?;
        let kind = if flags & TOGETHER == 0 { PendingKind::Records } else { PendingKind::Together };
        let level = if flags & WRITTEN == 0 { Level::Durable } else { Level::Written };
        Some(Append { kind, payload: Box::new(loan), count, level })
    }

    fn header(&mut self, at: usize) -> u32 {
        let word = self.header_word(at).and_then(|word| word.first_chunk().copied());
        word.map_or(0, u32::from_le_bytes)
    }

    fn set_header(&mut self, at: usize, value: u32) {
        if let Some(word) = self.header_word(at) {
            word.copy_from_slice(&value.to_le_bytes());
        }
    }

    /// The header is never lent, and JavaScript does not run meanwhile: this is its thread.
    fn header_word(&mut self, at: usize) -> Option<&mut [u8]> {
        let begin = at.checked_mul(4)?;
        let lease = self.lease.as_mut().filter(|lease| lease.len >= HEADER)?;
        // SAFETY: the first `HEADER` bytes are within the buffer, which the lease keeps alive, and no range on loan holds
        // any of them: `lend` begins behind them. This is the thread of JavaScript, which writes to nothing meanwhile.
        let header = unsafe { std::slice::from_raw_parts_mut(lease.begin.as_ptr(), HEADER) };
        header.get_mut(begin..begin.checked_add(4)?)
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        // A commit thread is joined before its arenas go. Were it not, the buffer would be leaked rather than freed
        // under it.
        if !self.is_idle() {
            std::mem::forget(self.lease.take());
        }
    }
}

/// A range of an [`Arena`] for the commit thread to read.
#[derive(Debug)]
pub(crate) struct Loan {
    begin: NonNull<u8>,
    len: usize,
    _held: Arc<()>,
}

// SAFETY: what it points to is outside of the JavaScript heap, does not move, and nobody writes to it before the loan is
// dropped. It may be dropped on any thread: the reference that keeps the buffer alive is the arena's, which outlives it.
unsafe impl Send for Loan {}

impl Payload for Loan {
    fn bytes(&self) -> &[u8] {
        // SAFETY: `Arena::lend` has checked that the range is within the buffer; the arena holds the lease as long as
        // there is a loan, and JavaScript, which has initialised it, writes nothing there meanwhile.
        unsafe { std::slice::from_raw_parts(self.begin.as_ptr(), self.len) }
    }
}

fn check(status: sys::napi_status) -> Result<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Error::new(Status::from(status), "not an ArrayBuffer")) }
}

fn invalid(message: &str) -> Error {
    Error::new(Status::InvalidArg, message)
}
