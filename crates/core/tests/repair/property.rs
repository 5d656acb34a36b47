//! Over random contents of a folder: what a report calls openable opens, and nothing else does; a repair that closes
//! gaps makes every sequence openable, loses no byte, and has nothing to do the second time.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;

use crate::common::{folder, tree};
use crate::{inspect, lay_out, opens, repair};

#[derive(Clone, Debug)]
enum Entry {
    File(String, usize),
    Folder(String),
    #[cfg(unix)]
    Link(String),
}

fn name() -> impl Strategy<Value = String> {
    // Few and close indexes, so that duplicates, gaps and their closing meet; some at the wrap, some far away.
    let index = prop_oneof![
        6 => 0_u32..8,
        2 => 0xfffc_u32..0x1_0000,
        1 => prop_oneof![Just(0x3fff_u32), Just(0x4000), Just(0x4003), Just(0x8000), Just(0x1_0000)],
    ];
    let spelled = (index, 0..4_u8).prop_map(|(index, spelling)| match spelling {
        0 => format!("{index:x}"),
        1 => format!("{index:06X}"),
        2 => format!("+{index:x}"),
        _ => format!("{index:04x}"),
    });
    let shift = prop_oneof![8 => Just("12"), 3 => Just("13"), 1 => Just("11"), 1 => Just("29"), 1 => Just("012")];
    let odd = prop_oneof![Just("bak"), Just("0001"), Just("1-12-3"), Just("x-12"), Just("1-"), Just("d"), Just("")];
    prop_oneof![
        9 => (spelled, shift).prop_map(|(index, shift)| format!("s.{index}-{shift}")),
        1 => odd.prop_map(|options| format!("s.{options}")),
        1 => prop_oneof![Just("s"), Just("t.0001-12"), Just("s.s.1-12")].prop_map(str::to_owned),
    ]
}

fn entry() -> impl Strategy<Value = Entry> {
    let len = prop_oneof![6 => Just(8192), 3 => Just(4096), 1 => Just(0), 1 => Just(100)];
    let file = (name(), len).prop_map(|(name, len)| Entry::File(name, len));
    let folder = name().prop_map(Entry::Folder);
    #[cfg(unix)]
    return prop_oneof![12 => file, 1 => folder, 1 => name().prop_map(Entry::Link)];
    #[cfg(not(unix))]
    return prop_oneof![12 => file, 1 => folder];
}

fn make(root: &Path, entries: &[Entry]) {
    let mut taken = BTreeSet::new();
    for entry in entries {
        let name = match entry {
            Entry::File(name, _) | Entry::Folder(name) => name,
            #[cfg(unix)]
            Entry::Link(name) => name,
        };
        // Not every file system tells upper from lower case, or keeps a dot at the end.
        if name.ends_with('.') && cfg!(windows) || !taken.insert(name.to_lowercase()) {
            continue;
        }
        match entry {
            Entry::File(name, len) => lay_out(root, &[(name, *len)]),
            Entry::Folder(name) => std::fs::create_dir(root.join(name)).unwrap(),
            #[cfg(unix)]
            Entry::Link(name) => std::os::unix::fs::symlink("t.0001-12", root.join(name)).unwrap(),
        }
    }
}

fn contents(root: &Path) -> Vec<Vec<u8>> {
    let mut contents: Vec<_> = tree(root).into_iter().map(|(_, content)| content).collect();
    contents.sort();
    contents
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 80, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn openable_is_what_opens_and_a_repair_makes_it_so(entries in prop::collection::vec(entry(), 0..9)) {
        let folder = folder();
        let root = folder.path();
        make(root, &entries);
        let report = inspect(root);
        let opened = opens(root);
        prop_assert_eq!(report.openable, opened.is_ok(), "{:?} {:?}", report, opened);
        if let Ok(indexes) = opened {
            prop_assert_eq!(indexes, report.files.iter().map(|file| file.index).collect::<Vec<_>>());
        }
        let before = contents(root);
        repair(root, true, false);
        prop_assert_eq!(&contents(root), &before);
        let report = inspect(root);
        prop_assert_eq!(report.openable, opens(root).is_ok(), "{:?}", report);
        let order: Vec<_> = report.files.iter().map(|file| std::fs::read(root.join(&file.name)).unwrap()).collect();
        repair(root, true, true);
        prop_assert_eq!(&contents(root), &before);
        let report = inspect(root);
        prop_assert!(report.openable, "{:?}", report);
        prop_assert!(opens(root).is_ok());
        let after: Vec<_> = report.files.iter().map(|file| std::fs::read(root.join(&file.name)).unwrap()).collect();
        prop_assert_eq!(order, after, "in the same order");
        prop_assert_eq!(repair(root, true, true).actions, vec![]);
    }
}
