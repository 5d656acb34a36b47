//! File systems of the test's own.

use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::common::{as_helper, folder, this_binary};

/// How a file system is made on an image, and how large that is.
pub struct Kind {
    pub name: &'static str,
    size: &'static str,
    make: &'static str,
}

/// xfs wants 300 MiB, btrfs 109.
pub const KINDS: [Kind; 4] = [
    Kind { name: "ext4", size: "64M", make: "mkfs.ext4 -q -m 0" },
    Kind { name: "xfs", size: "320M", make: "mkfs.xfs -q" },
    Kind { name: "btrfs", size: "160M", make: "mkfs.btrfs -q" },
    // Metadata has little space of its own, twice over, and is full first.
    Kind { name: "btrfs, mixed", size: "128M", make: "mkfs.btrfs -q --mixed" },
];

/// Plays the role with the file system mounted at its folder; what it printed. `None`, and a message, if that cannot be
/// done here.
pub fn play(kind: &Kind, options: &str, role: &str) -> Option<String> {
    let tool = kind.make.split(' ').next().unwrap();
    if !works("mount --make-rprivate / && mount -t tmpfs none /mnt") {
        eprintln!("SKIPPED: only root may mount a file system of its own");
        return None;
    }
    if !works(&format!("command -v {tool}")) {
        eprintln!("SKIPPED: {tool} is not installed");
        return None;
    }
    let folder = folder();
    let mount = folder.path().join("mnt");
    fs::create_dir(&mount).unwrap();
    let mut setup = String::from("set -e; mount --make-rprivate /; ");
    write!(setup, "truncate -s {} \"$1/image\"; {} \"$1/image\"; ", kind.size, kind.make).unwrap();
    write!(setup, "mount -o loop{options} \"$1/image\" \"$1/mnt\" || exit 77; shift; exec \"$@\"").unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "sh", "-c", &setup, "sh"]).arg(folder.path()).args(this_binary());
    as_helper(&mut command, role, &mount);
    let output = command.output().unwrap();
    let said = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if output.status.code() == Some(77) {
        eprintln!("SKIPPED: {} cannot be mounted here: {said}", kind.name);
        return None;
    }
    // A signal, such as a bus error, would be no exit code at all.
    assert_eq!(output.status.code(), Some(0), "{}: {said}", kind.name);
    for line in said.lines().filter_map(|line| line.strip_prefix("seen: ")) {
        println!("{}: {line}", kind.name);
    }
    Some(said)
}

fn works(command: &str) -> bool {
    let output = Command::new("unshare").args(["--mount", "sh", "-c", command]).output();
    output.is_ok_and(|output| output.status.success())
}

/// Runs a shell command on the folder, which is `$1`.
#[track_caller]
pub fn shell(command: &str, folder: &Path) {
    let output = Command::new("sh").args(["-c", command, "sh"]).arg(folder).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}
