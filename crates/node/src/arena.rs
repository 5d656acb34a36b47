//! Memory of JavaScript, lent to the engine: the only unsafe code outside `sys/`.
//!
//! Only memory that the TypeScript layer has made for this purpose gets here: plain `ArrayBuffer`s that no user has
//! seen, so that none can be detached, resized, transferred or written to while a thread of the pool works on it. Two
//! things are not left to trust: that the buffer stays alive, for which a [`Lease`] holds a reference; and that no two
//! leases overlap, for which this module keeps account of what is lent.

use std::fmt;
use std::ptr::{self, NonNull};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use napi::bindgen_prelude::{FromNapiValue, TypeName, ValidateNapiValue};
use napi::{Error, Result, Status, ValueType, sys};

/// Where the buffers on lease begin, in all environments of the process. A few entries: one for each job under way.
static LENT: Mutex<Vec<usize>> = Mutex::new(Vec::new());

fn lent() -> MutexGuard<'static, Vec<usize>> {
    LENT.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Exclusive use of the bytes of one `ArrayBuffer` until it is dropped, from whatever thread has it. It must be dropped
/// on the thread of its environment, and is: a [`crate::task::Job`] is made and dropped there, also when the
/// environment ends before the job is done, because Node.js waits for the pool first.
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

fn check(status: sys::napi_status) -> Result<()> {
    if status == sys::Status::napi_ok { Ok(()) } else { Err(Error::new(Status::from(status), "not an ArrayBuffer")) }
}

fn invalid(message: &str) -> Error {
    Error::new(Status::InvalidArg, message)
}
