//! The calls of a sequence.

use crate::trace::{names, run};

/// The file is durable before it has its name; then the name is made durable.
#[test]
fn an_alloc() {
    let Some(traced) = run("sequence", &[]) else { return };
    let traced = traced.succeeded();
    assert_eq!(
        traced.of(&["fallocate", "ftruncate", "fsync", "fdatasync", "renameat2"]),
        [
            "fallocate(<~/s.meta/alloc.tmp>, 0, 0, 8192) = 0",
            "ftruncate(<~/s.meta/alloc.tmp>, 8192) = 0",
            "fsync(<~/s.meta/alloc.tmp>) = 0",
            r#"renameat2(AT_FDCWD, "~/s.meta/alloc.tmp", AT_FDCWD, "~/s.0002-12", RENAME_NOREPLACE) = 0"#,
            "fsync(<~>) = 0",
        ]
    );
}

#[test]
fn a_release() {
    let Some(traced) = run("release", &[]) else { return };
    let traced = traced.succeeded();
    assert_eq!(traced.changes(), [r#"unlink("~/s.0001-12") = 0"#, "fsync(<~>) = 0"]);
}

/// Names are made durable before anything is built on them; on the way out the lock's file is removed while the lock is
/// still held, and that too is made durable.
#[test]
fn an_open_and_a_close() {
    for role in ["open and close a sequence", "drop a sequence"] {
        let Some(traced) = run(role, &[]) else { return };
        let traced = traced.succeeded();
        let removed: Vec<&str> = traced.of(&["unlink", "fsync", "flock", "rmdir"]);
        let removed: Vec<&str> =
            removed.into_iter().filter(|call| !call.ends_with("(No such file or directory)")).collect();
        assert_eq!(
            removed,
            [
                "flock(<~/s.lock>, LOCK_EX|LOCK_NB) = 0",
                "fsync(<~/s.meta>) = 0",
                "fsync(<~>) = 0",
                r#"unlink("~/s.meta/holder") = 0"#,
                r#"rmdir("~/s.meta") = 0"#,
                r#"unlink("~/s.lock") = 0"#,
                "fsync(<~>) = 0",
            ]
        );
        assert!(!names(&traced.changes()).contains(&"fdatasync"));
    }
}
