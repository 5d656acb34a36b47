//! What of a stream can be read: its files, up to an end.

use std::sync::Arc;

use super::reader::{ReadOptions, Reader};
use super::seek::partition;
use super::segment::Segment;
use super::slot::Slot;
use super::{to_u64, to_usize};
use crate::error::{Damage, Error, ErrorKind, Result};
use crate::format::StreamId;
use crate::stream::head::Head;
use crate::stream::{Level, Mark};

/// What the writer of a stream publishes after each commit.
#[derive(Clone, Debug)]
pub(in crate::stream) struct View {
    pub(in crate::stream) id: StreamId,
    pub(in crate::stream) files: Arc<[Arc<Slot>]>,
    pub(in crate::stream) durable: Mark,
    pub(in crate::stream) written: Mark,
    /// One more with each recovery in place.
    pub(in crate::stream) generation: u64,
    /// What was durable before the last one.
    pub(in crate::stream) kept: Mark,
}

impl View {
    pub(in crate::stream) fn at(&self, level: Level) -> Snapshot {
        let end = match level {
            Level::Durable => self.durable,
            Level::Written => self.written,
        };
        let (files, durable) = (Arc::clone(&self.files), self.durable);
        Snapshot { id: self.id, files, durable, end, generation: self.generation, kept: self.kept }
    }
}

/// The files of a stream in order, and up to where they can be read. Immutable; cheap to clone; opens no file by itself.
///
/// ```
/// use std::sync::Arc;
/// use pstream_core::OsIo;
/// use pstream_core::format::batch::push_record;
/// use pstream_core::stream::read::ReadOptions;
/// use pstream_core::stream::{Level, Log, LogOptions, Pending, PendingKind};
///
/// let folder = tempfile::tempdir()?;
/// let (mut log, _) = Log::open(Arc::new(OsIo), folder.path(), LogOptions::new("events"))?;
/// let mut payload = Vec::new();
/// push_record(b"hello", &mut payload);
/// log.commit(&[Pending { kind: PendingKind::Records, payload: &payload, count: 1 }], Level::Durable)?;
/// let snapshot = log.snapshot(Level::Durable)?;
/// let mut reader = snapshot.read(ReadOptions::default())?;
/// let batch = reader.next_batch()?.ok_or("nothing there")?;
/// assert_eq!(batch.records().next(), Some((0, &b"hello"[..])));
/// assert_eq!(snapshot.get(0)?.ok_or("nothing there")?.data, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Snapshot {
    id: StreamId,
    files: Arc<[Arc<Slot>]>,
    /// Up to where it is durable.
    durable: Mark,
    end: Mark,
    generation: u64,
    kept: Mark,
}

/// A file that is there: of a stream of many, some may not be.
#[derive(Clone, Debug)]
pub(in crate::stream) struct Place {
    pub(in crate::stream) number: usize,
    pub(in crate::stream) segment: Arc<Segment>,
}

enum Found {
    Open(Arc<Segment>),
    /// It cannot be read, now or ever.
    Lost(Error),
}

impl Snapshot {
    /// Of the files in order, and the end of what is durable.
    ///
    /// # Errors
    ///
    /// `PSTREAM_INVALID_INPUT` without files. Whether they fit together is seen when they are read.
    pub fn new(id: StreamId, files: impl Into<Arc<[Arc<Slot>]>>, durable: Mark) -> Result<Self> {
        let files = files.into();
        if files.is_empty() {
            return Err(no_file());
        }
        Ok(Self { id, files, durable, end: durable, generation: 0, kept: durable })
    }

    /// The stream.
    #[must_use]
    pub fn id(&self) -> StreamId {
        self.id
    }

    /// The files in order.
    #[must_use]
    pub fn files(&self) -> &[Arc<Slot>] {
        &self.files
    }

    /// The position behind the last batch that can be read.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.end.position
    }

    /// The seq behind the last record that can be read.
    #[must_use]
    pub fn next_seq(&self) -> u64 {
        self.end.seq
    }

    /// First seq that can be read; [`Snapshot::next_seq`] if there is no record. May have to read the beginning of a file.
    ///
    /// # Errors
    ///
    /// `PSTREAM_CORRUPT` if no file can be read; those of [`crate::BlockFile::load`].
    pub fn oldest_seq(&self) -> Result<u64> {
        Ok(self.first()?.0.segment.seq())
    }

    /// Bytes of the stream, with everything but the headers of blocks. May have to read the beginning of a file.
    ///
    /// # Errors
    ///
    /// As [`Snapshot::oldest_seq`].
    pub fn bytes(&self) -> Result<u64> {
        Ok(self.end.position.saturating_sub(self.first()?.0.segment.start()))
    }

    /// Reads from here on.
    ///
    /// # Errors
    ///
    /// As [`Reader::new`].
    pub fn read(&self, options: ReadOptions) -> Result<Reader> {
        Reader::new(self.clone(), options)
    }

    /// Whether everything in it is durable up to this position.
    pub(super) fn is_durable(&self, position: u64) -> bool {
        position < self.durable.position || self.durable.position >= self.end.position
    }

    /// One more each time that the writer has recovered in place, which may have taken back what was written and not
    /// durable: see [`Snapshot::kept_seq`].
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// The seq behind the last record that is durable.
    #[must_use]
    pub fn durable_seq(&self) -> u64 {
        self.durable.seq
    }

    /// What was read in front of this seq in the generation before was not taken back; of what was read in an older one,
    /// nothing is known but that what was durable then has stayed.
    #[must_use]
    pub fn kept_seq(&self) -> u64 {
        self.kept.seq
    }

    /// In front of this position is what who has read `earlier` may rely on still.
    pub(super) fn kept_since(&self, earlier: &Self) -> u64 {
        let kept = if self.generation == earlier.generation.saturating_add(1) { self.kept.position } else { 0 };
        kept.max(earlier.durable.position)
    }

    /// The first file that can be read, and whether there is one in front of it that cannot.
    pub(in crate::stream) fn first(&self) -> Result<(Place, bool)> {
        let mut from = 0;
        loop {
            let error = match self.next_place(from, None) {
                Ok(Some(place)) => {
                    let lost = place.number > from;
                    return Ok((place, lost));
                }
                Ok(None) => return Err(self.why_lost(from, None)?),
                Err(error) => error,
            };
            // Some were released since the snapshot was taken.
            let left = self.first_left()?;
            if !matches!(error.kind(), ErrorKind::Trimmed(_)) || left <= from {
                return Err(error);
            }
            from = left;
        }
    }

    /// The first file from `number` on that can be read and lies behind `before`.
    pub(in crate::stream) fn next_place(&self, number: usize, before: Option<&Segment>) -> Result<Option<Place>> {
        for number in number..self.files.len() {
            if let Found::Open(segment) = self.open(number, before)? {
                return Ok(Some(Place { number, segment }));
            }
        }
        Ok(None)
    }

    /// File `number`, if it can be read.
    pub(super) fn place(&self, number: usize) -> Result<Option<Place>> {
        Ok(match self.open(number, None)? {
            Found::Open(segment) => Some(Place { number, segment }),
            Found::Lost(_) => None,
        })
    }

    /// Why file `number` cannot be read.
    pub(in crate::stream) fn why_lost(&self, number: usize, before: Option<&Segment>) -> Result<Error> {
        Ok(match self.open(number, before)? {
            Found::Lost(error) => error,
            // It can be, this time.
            Found::Open(segment) => segment.misplaced("could not be read"),
        })
    }

    fn open(&self, number: usize, before: Option<&Segment>) -> Result<Found> {
        let slot = self.files.get(number).ok_or_else(no_file)?;
        let lost = |message: String| {
            Found::Lost(Error::new(ErrorKind::Corrupt(Damage::default()), message).at_path(slot.path()))
        };
        let path = slot.path().display();
        match slot.open() {
            Ok(segment) => Ok(match self.misfit(&segment, before) {
                None => Found::Open(segment),
                Some(what) => Found::Lost(segment.misplaced(what)),
            }),
            Err(error) => match error.kind() {
                ErrorKind::Corrupt(_) => Ok(Found::Lost(error)),
                ErrorKind::InvalidFile | ErrorKind::UnexpectedEof => Ok(lost(format!("stream is damaged: {error}"))),
                // Files are released in order: one that lies behind another that is there was not.
                ErrorKind::NotFound if !self.files.first().is_some_and(|first| first.is_gone()) => {
                    Ok(lost(format!("stream is damaged: '{path}' is missing")))
                }
                ErrorKind::NotFound => Err(self.trimmed()?),
                _ => Err(error),
            },
        }
    }

    /// Why a file cannot be one of the stream, behind that other one.
    fn misfit(&self, segment: &Segment, before: Option<&Segment>) -> Option<&'static str> {
        let behind = |before: &Segment| {
            segment.start() >= before.position_of(before.layout().first_batch()) && segment.seq() >= before.seq()
        };
        if segment.id() != self.id {
            return Some("belongs to another stream");
        }
        let fits = segment.start() <= self.end.position && segment.seq() <= self.end.seq;
        (!fits || !before.is_none_or(behind)).then_some("is not in its place in the stream")
    }

    /// Number of the first file that is still there.
    pub(super) fn first_left(&self) -> Result<usize> {
        let gone = |_, number| {
            let slot = self.files.get(to_usize(number));
            Ok(slot.map(|slot| (number, slot.is_gone())))
        };
        Ok(partition(0..to_u64(self.files.len()), gone)?.map_or(0, |last| to_usize(last).saturating_add(1)))
    }

    fn trimmed(&self) -> Result<Error> {
        let mut oldest = self.end.seq;
        for slot in self.files.iter().skip(self.first_left()?) {
            match slot.open() {
                Ok(segment) => {
                    oldest = segment.seq();
                    break;
                }
                Err(error) if is_lost(&error) || *error.kind() == ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Error::new(ErrorKind::Trimmed(oldest), format!("records in front of {oldest} were released")))
    }

    /// The part of the stream that lies in a file, and the file behind it.
    pub(super) fn part(&self, Place { number, segment }: Place) -> Result<(Part, Option<Place>)> {
        let behind = number.saturating_add(1);
        let next = self.next_place(behind, Some(&segment))?;
        let (upto, bound) =
            next.as_ref().map_or((self.end.position, self.end.seq), |next| (next.segment.start(), next.segment.seq()));
        let limit = upto.saturating_sub(segment.start()).min(segment.layout().capacity());
        let adjacent = next.as_ref().filter(|next| next.number == behind);
        let after = adjacent.map(|next| next.segment.batch().before).filter(|before| *before != 0);
        let open_end = adjacent.is_none() && behind < self.files.len();
        Ok((Part { segment, limit, bound, after, open_end }, next))
    }

    /// The last file that is as `wanted`, if those that are come first; else the first one. And whether a file in front
    /// of that cannot be read.
    pub(in crate::stream) fn place_where(&self, wanted: impl Fn(&Head) -> bool) -> Result<(Place, bool)> {
        let number = partition(0..to_u64(self.files.len()), |low, mid| {
            for number in (low..=mid).rev() {
                match self.head(to_usize(number)) {
                    Ok(Some(head)) => return Ok(Some((number, wanted(&head)))),
                    Ok(None) => {}
                    // Those that were released come first.
                    Err(error) if matches!(error.kind(), ErrorKind::Trimmed(_)) => return Ok(Some((number, true))),
                    Err(error) => return Err(error),
                }
            }
            Ok(None)
        })?;
        // What can be read may have changed since it was last looked at.
        for number in (0..number.map_or(0, |number| to_usize(number).saturating_add(1))).rev() {
            if let Found::Open(segment) = self.open(number, None)? {
                return Ok((Place { number, segment }, false));
            }
        }
        self.first()
    }

    /// What a file begins with; `None` if it cannot be read.
    pub(in crate::stream) fn head(&self, number: usize) -> Result<Option<Head>> {
        if let Some(head) = self.files.get(number).and_then(|slot| slot.known()) {
            return Ok(Some(head).filter(|head| head.start.id == self.id && head.start.position <= self.end.position));
        }
        Ok(match self.open(number, None)? {
            Found::Open(segment) => Some(*segment.head()),
            Found::Lost(_) => None,
        })
    }

    pub(super) fn check_not_trimmed(&self, seq: u64) -> Result<()> {
        if self.files.first().and_then(|slot| slot.start()).is_some_and(|start| start.seq <= seq) {
            return Ok(());
        }
        let (first, lost) = self.first()?;
        let oldest = first.segment.seq();
        // What a file held that cannot be read is not known.
        if lost || seq >= oldest {
            return Ok(());
        }
        let message = format!("record {seq} was released; the oldest one left is {oldest}");
        Err(Error::new(ErrorKind::Trimmed(oldest), message))
    }
}

/// A file that cannot be read, now or ever.
fn is_lost(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::Corrupt(_) | ErrorKind::InvalidFile | ErrorKind::UnexpectedEof)
}

fn no_file() -> Error {
    Error::new(ErrorKind::InvalidInput, "a stream has at least one file")
}

/// What of the stream lies in one file.
#[derive(Clone, Debug)]
pub(super) struct Part {
    pub(super) segment: Arc<Segment>,
    /// Offset in its data at which the stream ends, or goes on in the next file.
    pub(super) limit: u64,
    /// The seq there.
    pub(super) bound: u64,
    /// What the next file names as the checksum of the last batch here, if it is known.
    pub(super) after: Option<u32>,
    /// The next file cannot be read: where the stream leaves this one is not known.
    pub(super) open_end: bool,
}
