//! What the random programs have met: distinct crash states, and what was special about them.

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};
use std::io::Write;

/// So many states of each kind are demanded of a million distinct ones: about half of what there were when this was
/// written. The test fails if there are fewer.
const DEMANDED: &[(&str, u64)] = &[
    ("rollover", 200_000),
    ("torn tail zeroed", 30_000),
    ("watermark", 300_000),
    ("crash in recovery", 35_000),
    ("crash in recovery, twice in a row", 4_000),
    ("crash in recovery, three times in a row", 700),
    ("index wrapped", 30_000),
    ("disk full", 30_000),
    ("sync failed, then lied", 7_000),
    ("aligned on a garbling disk", 200_000),
    ("appendMany torn", 7_000),
    ("trimmed", 50_000),
    ("level written", 90_000),
    ("killed", 100_000),
    ("cache that stays", 50_000),
    ("opened with other options", 90_000),
];

/// And so many of these of a thousand programs.
const EVENTS: &[(&str, u64)] = &[
    ("crash in rollover", 40),
    ("crash at zeroing", 10),
    ("crash at a watermark", 50),
    ("recovered in place", 70),
    ("postponed", 20),
    ("read by the engine", 700),
    ("read in doubt", 70),
    ("rot: found", 45),
    ("rot: harmless", 150),
    ("rot: undecidable", 12),
    ("salvaged", 45),
    ("clock set", 300),
];

/// States are hashes already.
#[derive(Default)]
pub struct Same(u64);

impl Hasher for Same {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only numbers are hashed")
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

/// What one program has met.
#[derive(Default)]
pub struct Seen {
    /// Each with what is special about it.
    pub states: Vec<(u64, Vec<&'static str>)>,
    events: BTreeMap<&'static str, u64>,
    pub verbose: bool,
    /// What its calls led to, for a failure to print.
    pub notes: Vec<String>,
}

impl Seen {
    pub fn new(verbose: bool) -> Self {
        Self { verbose, ..Self::default() }
    }

    pub fn event(&mut self, what: &'static str) {
        *self.events.entry(what).or_default() += 1;
    }
}

/// What all programs have met.
#[derive(Default)]
pub struct Tally {
    /// A state is what the disk holds when a stream is opened after a crash: names and bytes. 8 bytes each, so that ten
    /// million take 160 MB.
    states: HashSet<u64, BuildHasherDefault<Same>>,
    kinds: BTreeMap<&'static str, u64>,
    events: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub fn states(&self) -> u64 {
        self.states.len() as u64
    }

    pub fn add(&mut self, seen: Seen) {
        for (state, kinds) in seen.states {
            if self.states.insert(state) {
                for kind in kinds {
                    *self.kinds.entry(kind).or_default() += 1;
                }
            }
        }
        for (what, times) in seen.events {
            *self.events.entry(what).or_default() += times;
        }
    }

    /// Also where the tests have passed, of which the test harness would keep what `println` prints.
    pub fn print(&self, programs: u64, seconds: f64) {
        let mut lines = vec![format!("{programs} programs, {} distinct crash states, of which", self.states())];
        for (what, least) in DEMANDED {
            let seen = self.kinds.get(what).copied().unwrap_or_default();
            lines.push(format!("  {seen:>9} {what} (demanded: {})", least * self.states() / 1_000_000));
        }
        lines.push("and in all of the programs".to_owned());
        lines.extend(self.events.iter().map(|(what, times)| format!("  {times:>9} {what}")));
        lines.push(format!("  in {seconds:.1} s\n"));
        std::io::stdout().write_all(lines.join("\n").as_bytes()).ok();
    }

    /// Fails if anything was met too seldom.
    pub fn demand(&self, programs: u64) {
        for (what, of_a_million) in DEMANDED {
            let least = of_a_million * self.states() / 1_000_000;
            let seen = self.kinds.get(what).copied().unwrap_or_default();
            assert!(seen >= least, "{what}: only {seen} states of {least}");
        }
        for (what, of_a_thousand) in EVENTS {
            let least = of_a_thousand * programs / 1000;
            let seen = self.events.get(what).copied().unwrap_or_default();
            assert!(seen >= least, "{what}: only {seen} times of {least}");
        }
    }
}
