//! What a failing test prints.

use std::fmt;

use crate::call::{Call, CallKind};

/// One recorded call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceEntry {
    /// See [`Call::number`].
    pub number: u64,
    /// Whose call it was.
    pub pid: u32,
    /// What was asked.
    pub kind: CallKind,
    /// The last component of the path.
    pub name: String,
    /// Where in the file.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
    /// The fault that hit the call, if one did.
    pub fault: Option<String>,
    /// The error it returned, if it failed.
    pub error: Option<String>,
}

impl TraceEntry {
    pub(crate) fn new(call: &Call, fault: Option<String>, error: Option<String>) -> Self {
        let (name, number, pid) = (call.file_name(), call.number, call.pid);
        Self { number, pid, kind: call.kind, name, offset: call.offset, len: call.len, fault, error }
    }
}

impl fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>6} [{}] {:?} {}", self.number, self.pid, self.kind, self.name)?;
        if self.len != 0 || self.offset != 0 {
            write!(f, " {}+{}", self.offset, self.len)?;
        }
        if let Some(fault) = &self.fault {
            write!(f, " !{fault}")?;
        }
        match &self.error {
            Some(error) => write!(f, " -> {error}"),
            None => Ok(()),
        }
    }
}
