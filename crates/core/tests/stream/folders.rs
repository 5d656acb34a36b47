//! The folder of a stream that is begun, on a disk that forgets.

use std::path::Path;

use pstream_core::stream::{Log, LogOptions, make_folder};
use pstream_sim::{Effect, Fault, Keep};

use crate::harness::{commit, disk, sized};

const FOLDER: &str = "/d/a/b";

fn options() -> LogOptions {
    sized(8, 8)
}

/// No power cut takes back a folder with acknowledged records in it, wherever its making was cut short before.
#[test]
fn a_folder_is_as_durable_as_what_is_in_it() {
    for nth in 1..12 {
        let disk = disk(90);
        disk.inject(Fault::new(Effect::StopAfter).nth(nth));
        drop(make_folder(&*disk.io(), Path::new(FOLDER)));
        disk.clear_faults();
        disk.process_crash();
        make_folder(&*disk.io(), Path::new(FOLDER)).unwrap();
        let (mut log, _) = Log::open(disk.io(), Path::new(FOLDER), options()).unwrap();
        commit(&mut log, &[b"acknowledged".to_vec()]);
        drop(log);
        disk.power_cut(&Keep::None);
        let opened = Log::open(disk.io(), Path::new(FOLDER), options());
        let (_, recovery) = opened.unwrap_or_else(|error| panic!("stopped after call {nth}: {error}"));
        assert_eq!(recovery.next_seq, 1, "stopped after call {nth}");
    }
}
