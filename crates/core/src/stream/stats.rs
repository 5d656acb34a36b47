//! What a stream has done since it was opened, and what it takes: counted by the commit thread, read by anybody.

use std::time::Duration;

/// What a stream has done since it was opened, and what it takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commits that have succeeded, without flushes that had nothing to write.
    pub commits: u64,
    /// Syncs of its files: synced writes, and syncs of a file as a whole.
    pub syncs: u64,
    /// What it takes on disk.
    pub footprint: Footprint,
    /// How long commits took, from taking what waits until it was as good as it asked for.
    pub latency: Latency,
}

/// What a stream takes on disk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// Files in use.
    pub files: u64,
    /// Bytes of all data files, those prepared and not in use yet among them: their space is reserved whole. Without
    /// `<name>.meta/`.
    pub on_disk: u64,
    /// Bytes of them up to the end of the stream: what `on_disk` has less the rest of the last file and what is prepared.
    pub used: u64,
}

/// Of durations: half and 99 % of them took at most so long, none took longer than the last. The first two are rounded up
/// by 1/16 at most, and to whole microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// The median.
    pub p50: Duration,
    /// The 99th percentile.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
}

/// Binary logarithm of the number of linear steps within each power of two.
const STEP_BITS: u32 = 4;
const STEPS: usize = 16;
/// Microseconds below 2^36 (19 hours) are told apart.
const MOST_BITS: u32 = 36;
/// The values below 16, and so many steps for each power of two from 2^4 on.
const BUCKETS: usize = STEPS * 33;

/// Counts durations in steps that grow with them, in 4 KiB.
#[derive(Debug)]
pub(super) struct Histogram {
    counts: Box<[u64]>,
    total: u64,
    max: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { counts: vec![0; BUCKETS].into_boxed_slice(), total: 0, max: Duration::ZERO }
    }
}

impl Histogram {
    pub(super) fn record(&mut self, took: Duration) {
        let micros = u64::try_from(took.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
        if let Some(count) = self.counts.get_mut(bucket_of(micros)) {
            *count = count.saturating_add(1);
        }
        self.total = self.total.saturating_add(1);
        self.max = self.max.max(took);
    }

    pub(super) fn latency(&self) -> Latency {
        Latency { p50: self.percentile(50), p99: self.percentile(99), max: self.max }
    }

    fn percentile(&self, percent: u64) -> Duration {
        let rank = self.total.saturating_mul(percent).div_ceil(100);
        let mut seen = 0_u64;
        let bucket = self.counts.iter().position(|count| {
            seen = seen.saturating_add(*count);
            seen >= rank
        });
        let most = bucket.map_or(self.max, |bucket| Duration::from_micros(most_of(bucket)));
        most.min(self.max)
    }
}

/// Below 16 each value has its own; above there are 16 for each power of two.
fn bucket_of(micros: u64) -> usize {
    let micros = micros.min((1_u64 << MOST_BITS).saturating_sub(1));
    let exponent = micros.checked_ilog2().unwrap_or(0).saturating_sub(STEP_BITS);
    let step = super::short(micros >> exponent);
    step.saturating_add(STEPS.saturating_mul(super::short(exponent.into())))
}

/// The largest value that [`bucket_of`] puts there.
fn most_of(bucket: usize) -> u64 {
    let exponent = (bucket / STEPS).saturating_sub(1);
    let step = super::long(bucket.saturating_sub(exponent.saturating_mul(STEPS)));
    let shift = u32::try_from(exponent).unwrap_or(0);
    (step.saturating_add(1) << shift).saturating_sub(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_is_in_a_bucket_that_is_not_too_wide() {
        let mut before = 0;
        let values = (0..5000).chain((13..36).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits, (1 << bits) + 77]));
        for value in values {
            let bucket = bucket_of(value);
            let most = most_of(bucket);
            assert!(most >= value && most - value <= value / 16, "{value} is in bucket {bucket}, up to {most}");
            assert!(bucket >= before, "{value}");
            before = bucket;
        }
        assert_eq!(bucket_of(u64::MAX), BUCKETS - 1);
        assert_eq!(most_of(BUCKETS - 1), (1 << MOST_BITS) - 1);
    }

    #[test]
    fn percentiles_are_those_of_a_sorted_list() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.latency(), Latency::default());
        for micros in 1..=1000_u64 {
            histogram.record(Duration::from_micros(micros));
        }
        let Latency { p50, p99, max } = histogram.latency();
        assert!((500..=531).contains(&p50.as_micros()), "{p50:?}");
        assert!((990..=1000).contains(&p99.as_micros()), "{p99:?}");
        assert_eq!(max, Duration::from_millis(1));
        histogram.record(Duration::from_nanos(u64::MAX));
        assert_eq!(histogram.latency().max, Duration::from_nanos(u64::MAX));
    }
}
