//! Names of cursors, and of their files.
//!
//! | name | what it is |
//! | --- | --- |
//! | `cursor.<name>` | the two slots of a cursor |
//! | `lock.<name>` | the lock of its consumer; stays when it is closed |
//! | `holder.<name>` | who holds that lock, for messages |
//! | `new.<name>` | a cursor that is being made |
//! | `guard` | the lock that keeps making a cursor and trimming apart |
//!
//! In a file's name a capital letter is a `+` and the small one, since there are file systems that take both for the same,
//! and a dot is `+-`: Windows drops one at the end. What the file is comes first, so that no name is one of Windows' own.

use std::path::{Path, PathBuf};

use crate::error::{Error, ErrorKind, Result};

const MAX_LEN: usize = 100;
const CURSOR: &str = "cursor.";
/// Name of the guard's file.
pub(super) const GUARD: &str = "guard";

/// A valid name, and the folder that its files are in.
#[derive(Clone, Debug)]
pub(super) struct Place {
    folder: PathBuf,
    name: String,
}

impl Place {
    /// `PSTREAM_INVALID_INPUT` for a name that is not 1 to 100 of `A-Z a-z 0-9 . _ -`, or begins with a dot.
    pub(super) fn new(folder: &Path, name: &str) -> Result<Self> {
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if (1..=MAX_LEN).contains(&name.len()) && name.bytes().all(fine) && !name.starts_with('.') {
            return Ok(Self { folder: folder.to_owned(), name: name.to_owned() });
        }
        let message =
            format!("cursor name {name:?} must be 1 to {MAX_LEN} of A-Z a-z 0-9 . _ -, and must not begin with a dot");
        Err(Error::new(ErrorKind::InvalidInput, message))
    }

    /// The cursor that the file `entry` holds, if it is spelled like one.
    pub(super) fn of_entry(folder: &Path, entry: &str) -> Option<Self> {
        let spelled = entry.strip_prefix(CURSOR)?;
        let place = Self::new(folder, &decode(spelled)?).ok()?;
        // In one way only, so that no two files are one cursor.
        (encode(&place.name) == spelled).then_some(place)
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn slots(&self) -> PathBuf {
        self.file(CURSOR)
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.file("lock.")
    }

    pub(super) fn holder(&self) -> PathBuf {
        self.file("holder.")
    }

    pub(super) fn temporary(&self) -> PathBuf {
        self.file("new.")
    }

    fn file(&self, what: &str) -> PathBuf {
        self.folder.join(format!("{what}{}", encode(&self.name)))
    }
}

fn encode(name: &str) -> String {
    let mut encoded = String::new();
    for letter in name.chars() {
        match letter {
            'A'..='Z' => encoded.extend(['+', letter.to_ascii_lowercase()]),
            '.' => encoded.push_str("+-"),
            other => encoded.push(other),
        }
    }
    encoded
}

fn decode(encoded: &str) -> Option<String> {
    let (mut name, mut letters) = (String::new(), encoded.chars());
    while let Some(letter) = letters.next() {
        name.push(match letter {
            '+' => match letters.next()? {
                '-' => '.',
                small => small.to_ascii_uppercase(),
            },
            other => other,
        });
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &str) -> String {
        let place = Place::new(Path::new("/c"), name).unwrap();
        place.slots().strip_prefix("/c").unwrap().to_str().unwrap().to_owned()
    }

    #[test]
    fn a_name_is_up_to_a_hundred_plain_characters() {
        for good in ["a", "Z", "0", "_", "-", "a.b", "a.", "a..", "CON", "guard", &"x".repeat(100)] {
            assert!(Place::new(Path::new("/c"), good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".a", "a/b", "a b", "ä", "a\0", "a+b", "a\n", "a\\b", "a:b", &"x".repeat(101)] {
            let error = Place::new(Path::new("/c"), bad).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::InvalidInput, "{bad:?}");
        }
    }

    #[test]
    fn no_two_names_share_a_file_wherever() {
        let names = ["a", "A", "a.", "a-", "a_", "aA", "Aa", "AA", "a.A", "a.a", "con", "CON", "x.lock", "lock.x"];
        let mut files: Vec<String> = names.iter().map(|name| file(name).to_lowercase()).collect();
        files.sort();
        files.dedup();
        assert_eq!(files.len(), names.len(), "{files:?}");
        for name in names {
            assert_eq!(file(name), file(name).to_lowercase());
            assert!(!file(name).ends_with('.'), "{name}");
            let place = Place::of_entry(Path::new("/c"), &file(name)).unwrap();
            assert_eq!(place.name(), name);
        }
        assert_eq!(file("My.app"), "cursor.+my+-app");
    }

    #[test]
    fn strangers_are_no_cursors() {
        for entry in
            ["guard", "lock.a", "cursor.", "cursor.A", "cursor.a.bak", "cursor.+", "cursor.++", "cursor.+1", "x"]
        {
            assert!(Place::of_entry(Path::new("/c"), entry).is_none(), "{entry}");
        }
        assert!(Place::of_entry(Path::new("/c"), "cursor.+-a").is_none(), "begins with a dot");
    }
}
