//! The grammar of every name that belongs to a sequence. State lives in names and lengths alone, so this is the format.
//!
//! | name | what it is |
//! | --- | --- |
//! | `<name>.<index>-<shift>` | a data file: index in hex, written with four digits; shift in decimal |
//! | `<name>.lock` | the lock; a symbolic link in its place is somebody else's lock |
//! | `<name>.meta/` | everything else, since the scan ignores folders |
//! | `<name>.meta/holder` | who holds the lock, for messages |
//! | `<name>.meta/break` | somebody is breaking the lock |
//! | `<name>.meta/alloc.tmp` | a data file that is being built |
//! | `<name>.meta/rename-to`, `rename-from` | a rename in progress, see `rename` |
//! | `<name>.meta/quarantine-<ms>/` | what a repair moved out of the way |

use std::ffi::OsStr;
use std::path::{Component, Path, PathBuf};

use super::index::Index;
use crate::error::{BadName, Error, ErrorKind, Result, sequence as errors};

/// The longest file name on every file system in use, in bytes.
const MAX_FILE_NAME: usize = 255;
/// What a data file's name is longer than the sequence's: `.ffff-28`.
const LONGEST_SUFFIX: usize = 8;

/// A valid name of a sequence, and the folder that it lives in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    root: PathBuf,
    name: String,
}

impl Place {
    /// `root` is taken as it is: the caller has resolved it.
    pub(crate) fn new(root: PathBuf, name: &str) -> Result<Self> {
        check_name(name)?;
        Ok(Self { root, name: name.to_owned() })
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The path of the data file with this index and shift.
    pub(crate) fn file(&self, index: Index, shift: u32) -> PathBuf {
        self.root.join(self.file_name(index, shift))
    }

    pub(crate) fn file_name(&self, index: Index, shift: u32) -> String {
        format!("{}.{index:04x}-{shift}", self.name)
    }

    /// The path of a data file of this sequence whose options are spelled like this.
    pub(crate) fn file_with_options(&self, options: &OsStr) -> PathBuf {
        let mut name = std::ffi::OsString::from(format!("{}.", self.name));
        name.push(options);
        self.root.join(name)
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.root.join(format!("{}.lock", self.name))
    }

    pub(crate) fn meta(&self) -> PathBuf {
        self.root.join(format!("{}.meta", self.name))
    }

    pub(crate) fn holder(&self) -> PathBuf {
        self.meta().join("holder")
    }

    pub(crate) fn breaker(&self) -> PathBuf {
        self.meta().join(BREAKER)
    }

    pub(crate) fn alloc_temporary(&self) -> PathBuf {
        self.meta().join("alloc.tmp")
    }

    pub(crate) fn rename_to(&self) -> PathBuf {
        self.meta().join(RENAME_TO)
    }

    pub(crate) fn rename_from(&self) -> PathBuf {
        self.meta().join(RENAME_FROM)
    }

    pub(crate) fn quarantine(&self, time_ms: u128) -> PathBuf {
        self.meta().join(format!("quarantine-{time_ms}"))
    }

    /// The options in `entry`, if it is spelled like a data file of this sequence: its stem is the name, and what
    /// follows the last dot is not that of the lock.
    pub(crate) fn options_of<'a>(&self, entry: &'a OsStr) -> Option<&'a OsStr> {
        let path = Path::new(entry);
        let (stem, options) = (path.file_stem()?, path.extension()?);
        (stem == self.name.as_str() && options != "lock").then_some(options)
    }
}

pub(super) const RENAME_TO: &str = "rename-to";
pub(super) const RENAME_FROM: &str = "rename-from";
pub(super) const HOLDER: &str = "holder";
pub(super) const BREAKER: &str = "break";

/// One path component, so that no name leaves its folder, and short enough for every file name it leads to.
fn check_name(name: &str) -> Result<()> {
    let invalid = |why: &str| Err(Error::new(ErrorKind::InvalidInput, format!("name {name:?} {why}")));
    let mut components = Path::new(name).components();
    match (components.next(), components.next()) {
        _ if name.is_empty() => invalid("is empty"),
        _ if name.contains('\0') => invalid("contains a zero byte"),
        (Some(Component::Normal(component)), None) if component == name => {
            if name.len() > MAX_FILE_NAME - LONGEST_SUFFIX {
                return invalid("is longer than 247 bytes");
            }
            Ok(())
        }
        _ => invalid("is not a single path component"),
    }
}

/// Index and shift from the options `<index>-<shift>`. Lenient in the way of the Rust crate `pstream`, whose files may
/// have been named by hand: fewer or more digits, upper case and a plus sign are fine.
pub(crate) fn parse_options(options: &OsStr) -> Result<(Index, u32)> {
    let text = options.to_string_lossy();
    let bad = |reason| errors::bad_name(reason, &text);
    let mut fields = text.split('-');
    let index = fields.next().unwrap_or_default();
    let index = u16::from_str_radix(index, 16).map_err(|_| bad(BadName::Index))?;
    let shift = fields.next().ok_or_else(|| bad(BadName::MissingFields))?;
    let shift = shift.parse().map_err(|_| bad(BadName::Shift))?;
    match fields.next() {
        None => Ok((Index::from(index), shift)),
        Some(_) => Err(bad(BadName::TooManyFields)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(name: &str) -> Place {
        Place::new(PathBuf::from("/data"), name).unwrap()
    }

    #[test]
    fn a_name_is_one_path_component() {
        for good in ["events", "a.b", ".a", "a.0001-16", "..a", "ä ö", " ", &"x".repeat(247), "-", "events.lock"] {
            assert!(Place::new(PathBuf::from("/data"), good).is_ok(), "{good}");
        }
        for bad in
            ["", ".", "..", "/", "a/b", "a/", "/a", "../a", "a/..", "a\0", "./a", &"x".repeat(248), &"ä".repeat(124)]
        {
            let error = Place::new(PathBuf::from("/data"), bad).unwrap_err();
            assert_eq!(*error.kind(), ErrorKind::InvalidInput, "{bad:?}");
        }
    }

    #[test]
    fn names_are_written_in_one_way() {
        let place = place("events");
        assert_eq!(place.file(Index::from(1), 16), Path::new("/data/events.0001-16"));
        assert_eq!(place.file(Index::from(0xffff), 9), Path::new("/data/events.ffff-9"));
        assert_eq!(place.lock(), Path::new("/data/events.lock"));
        assert_eq!(place.meta(), Path::new("/data/events.meta"));
        assert_eq!(place.file_with_options(OsStr::new("cc-9")), Path::new("/data/events.cc-9"));
    }

    #[test]
    fn names_are_read_in_the_way_of_the_crate() {
        for (options, index, shift) in [
            ("0ccc-7", 0x0ccc, 7),
            ("cc-09", 0xcc, 9),
            ("0000000f-0", 15, 0),
            ("CC-9", 0xcc, 9),
            ("+f-0", 15, 0),
            ("f-+1", 15, 1),
        ] {
            assert_eq!(parse_options(OsStr::new(options)).unwrap(), (Index::from(index), shift), "{options}");
        }
    }

    #[test]
    fn what_does_not_parse_is_said_word_for_word() {
        let table = [
            ("", BadName::Index, "filesequence: bad index: ''"),
            ("-9", BadName::Index, "filesequence: bad index: '-9'"),
            ("x0-9", BadName::Index, "filesequence: bad index: 'x0-9'"),
            ("10000-9", BadName::Index, "filesequence: bad index: '10000-9'"),
            ("xxx", BadName::Index, "filesequence: bad index: 'xxx'"),
            ("f0", BadName::MissingFields, "filesequence: fields missing: 'f0'"),
            ("f0-a", BadName::Shift, "filesequence: bad shift: 'f0-a'"),
            ("f0-", BadName::Shift, "filesequence: bad shift: 'f0-'"),
            ("f0-9-", BadName::TooManyFields, "filesequence: too many fields: 'f0-9-'"),
            ("f0-4294967296", BadName::Shift, "filesequence: bad shift: 'f0-4294967296'"),
        ];
        for (options, reason, message) in table {
            let error = parse_options(OsStr::new(options)).unwrap_err();
            assert_eq!((error.kind(), error.to_string().as_str()), (&ErrorKind::SequenceBadName(reason), message));
        }
    }

    #[test]
    fn only_files_whose_stem_is_the_name_are_ours() {
        let ours =
            |name: &str, entry: &str| place(name).options_of(OsStr::new(entry)).map(|o| o.to_str().unwrap().to_owned());
        assert_eq!(ours("events", "events.0001-16").as_deref(), Some("0001-16"));
        assert_eq!(ours("events", "events.xxx").as_deref(), Some("xxx"));
        assert_eq!(ours("a.b", "a.b.1-12").as_deref(), Some("1-12"));
        assert_eq!(ours(".a", ".a.1-12").as_deref(), Some("1-12"));
        for stranger in
            ["events", "events.lock", "event.0001-16", "events2.0001-16", "events.0001-16.bak", ".pstream-tmp-1-0"]
        {
            assert_eq!(ours("events", stranger), None, "{stranger}");
        }
    }
}
