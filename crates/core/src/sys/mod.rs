//! The operating systems. This file holds the only OS switch of the engine, and the files beside it the only unsafe
//! code. Every module offers the same functions; what they promise is written at the traits in `crate::io`.
//!
//! | module | for | reached by |
//! | --- | --- | --- |
//! | `linux` | Linux, glibc and musl | `target_os = "linux"` |
//! | `macos` | macOS | `target_os = "macos"` |
//! | `fallback` | other Unix systems | `unix` |
//! | `windows` | Windows | `windows` |
//! | `windows_info` | what Windows tells of files, volumes and processes | `windows` |
//! | `windows_sync` | how Windows makes things durable | `windows` |
//! | `missing` | what to answer for calls that a platform lacks | the modules themselves |
//! | `unix` | what the three Unix modules share | the modules themselves |

#[cfg(not(target_pointer_width = "64"))]
compile_error!("pstream needs a 64-bit platform: file offsets are used as sizes in memory");

#[cfg(not(target_os = "linux"))]
mod missing;
#[cfg(unix)]
mod unix;

#[cfg(windows)]
mod windows_info;

#[cfg(windows)]
mod windows_sync;

#[cfg(target_os = "linux")]
#[path = "linux.rs"]
mod imp;

#[cfg(target_os = "macos")]
#[path = "macos.rs"]
mod imp;

#[cfg(all(unix, not(any(target_os = "linux", target_os = "macos"))))]
#[path = "fallback.rs"]
mod imp;

#[cfg(windows)]
#[path = "windows.rs"]
mod imp;

pub(crate) use imp::{
    advise_sequential, allocated, boot_id, create, evict, host_name, is_plain_name, is_same_file, lock_error, network,
    next_data, open, open_direct, open_lock, process_alive, read_at, remove_file, rename_new, reserve, residency,
    start_writeback, sync_all, sync_data, sync_dir, wait_writeback, write_at, write_direct, write_note, write_synced,
    zero_range,
};
