//! Running a role under `strace` and reading what it wrote.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::common::{as_helper, emulator, folder};

/// The calls that have to do with files and their durability.
const TRACED: &str = "trace=open,openat,fallocate,ftruncate,fsync,fdatasync,sync_file_range,rename,renameat,renameat2,\
                      link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,pwritev2,pwritev,pwrite64,write,preadv,pread64,\
                      fadvise64,flock,msync,sync,syncfs";

/// What a role did.
pub struct Traced {
    calls: Vec<String>,
    succeeded: bool,
}

/// Runs the role under `strace` with these faults injected. `None`, and a message, if that cannot be done here.
pub fn run(role: &str, faults: &[&str]) -> Option<Traced> {
    static WORKS: OnceLock<bool> = OnceLock::new();
    if emulator().is_some() {
        eprintln!("SKIPPED: strace would see the calls of the emulator");
        return None;
    }
    if !*WORKS.get_or_init(|| trace("nothing", &[]).is_some_and(|traced| !traced.calls.is_empty())) {
        eprintln!("SKIPPED: needs strace, which is not installed or may not trace here");
        return None;
    }
    trace(role, faults)
}

fn trace(role: &str, faults: &[&str]) -> Option<Traced> {
    let folder = folder();
    let (log, work) = (folder.path().join("log"), folder.path().join("work"));
    fs::create_dir(&work).unwrap();
    let mut command = Command::new("strace");
    command.args(["-f", "-qq", "-y", "-s", "200", "-e", "signal=none", "-e", TRACED, "-o"]).arg(&log);
    for fault in faults {
        command.args(["-e", &format!("inject={fault}")]);
    }
    command.arg(std::env::current_exe().unwrap());
    as_helper(&mut command, role, &work);
    let output = command.output().ok()?;
    if !output.status.success() {
        eprintln!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    let log = fs::read_to_string(log).ok()?;
    Some(Traced { calls: calls(&log, &work), succeeded: output.status.success() })
}

/// The calls between the two marks, without process ids and descriptor numbers, the work folder being `~`.
fn calls(log: &str, work: &Path) -> Vec<String> {
    let work = fs::canonicalize(work).unwrap().display().to_string();
    let lines = log.lines().map(|line| line.split_once(' ').map_or(line, |(_, call)| call.trim_start()));
    let from = lines.skip_while(|line| !line.contains(crate::roles::BEGIN)).skip(1);
    from.take_while(|line| !line.contains(crate::roles::END)).map(|line| readable(line, &work)).collect()
}

fn readable(line: &str, work: &str) -> String {
    // musl asks for large files by a flag, glibc has them anyway.
    let mut line = line.replace(work, "~").replace("|O_LARGEFILE", "");
    while let Some(at) = line.find("AT_FDCWD<") {
        // The working directory, which nothing depends on.
        let end = line[at..].find('>').map_or(line.len(), |end| at + end + 1);
        line.replace_range(at + "AT_FDCWD".len()..end, "");
    }
    let mut readable = String::with_capacity(line.len());
    let mut rest = line.as_str();
    while let Some(at) = rest.find(['<', '.']) {
        let (before, after) = rest.split_at(at);
        if let Some(path) = after.strip_prefix('<') {
            readable.push_str(before.trim_end_matches(|c: char| c.is_ascii_digit()));
            readable.push('<');
            rest = path;
        } else if let Some(name) = after.strip_prefix(".pstream-tmp-") {
            readable.push_str(before);
            readable.push_str("TMP");
            rest = name.trim_start_matches(|c: char| c.is_ascii_hexdigit() || c == '-');
        } else {
            readable.push_str(before);
            readable.push('.');
            rest = after.get(1..).unwrap_or_default();
        }
    }
    readable.push_str(rest);
    // strace pads to a column in front of the result.
    let (call, result) = readable.rsplit_once(" = ").unwrap_or((&readable, "?"));
    format!("{} = {result}", call.trim_end())
}

impl Traced {
    /// That the role's own assertions held.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.succeeded, "the role failed; its calls: {:#?}", self.calls);
        self
    }

    /// The calls of these names alone, each as `name(arguments) = result`.
    pub fn of(&self, names: &[&str]) -> Vec<&str> {
        let is_one = |call: &&String| call.split_once('(').is_some_and(|(name, _)| names.contains(&name));
        self.calls.iter().filter(is_one).map(String::as_str).collect()
    }

    /// All calls that write, sync, name, or lock; reading and opening aside.
    pub fn changes(&self) -> Vec<&str> {
        let reads = ["open", "openat", "preadv", "pread64", "fadvise64"];
        let is_change = |call: &&String| call.split_once('(').is_some_and(|(name, _)| !reads.contains(&name));
        self.calls.iter().filter(is_change).map(String::as_str).collect()
    }
}

/// The calls by name alone.
pub fn names<'a>(calls: &[&'a str]) -> Vec<&'a str> {
    calls.iter().map(|call| call.split_once('(').map_or(*call, |(name, _)| name)).collect()
}
