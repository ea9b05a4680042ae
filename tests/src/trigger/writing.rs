//! Writing, by every call and to files that have changed their names.

use std::io::{IoSlice, Write};
use std::os::unix::fs::FileExt;
use std::process::Stdio;

use anyhow::{Result, bail, ensure};

use super::{Ended, command, errno, run, say};

/// Appends to a file by one `write(2)`, and reads it.
pub(crate) fn write(path: &str) -> Result<Ended> {
    write_by("write", path)
}

/// The same by `write`, `pwrite` or `writev`.
pub(crate) fn write_by(way: &str, path: &str) -> Result<Ended> {
    run(&["write", "append", way, path])
}

/// Opens a file, renames it, and writes to it: by the descriptor, by a copy of it, by a new one, and by the one that
/// a child got as its standard input.
pub(crate) fn write_renamed(path: &str, renamed: &str) -> Result<Ended> {
    run(&["write", "renamed", path, renamed])
}

/// Writes this many `a` to no file at once.
pub(crate) fn write_bytes(size: usize) -> Result<Ended> {
    run(&["write", "bytes", &size.to_string()])
}

/// Writes these parts to no file by one `writev(2)`.
pub(crate) fn write_scattered(parts: &[&str]) -> Result<Ended> {
    run(&["write", "scattered", &parts.join(",")])
}

/// Writes this many parts of as many `a` to no file by one `writev(2)`.
pub(crate) fn write_segments(count: usize, size: usize) -> Result<Ended> {
    run(&["write", "segments", &count.to_string(), &size.to_string()])
}

/// Writes to a number that is no open file's.
pub(crate) fn write_closed() -> Result<Ended> {
    run(&["write", "closed"])
}

/// Opens a file, removes it, and writes to what it has still open.
pub(crate) fn write_removed(path: &str) -> Result<Ended> {
    run(&["write", "removed", path])
}

/// The other side.
pub(super) fn act(words: &[&str]) -> Result<()> {
    match words {
        ["append", way, path] => {
            let result = append(path, way, || Ok(()))?;
            std::fs::read(path)?;
            say(result)?;
        }
        ["removed", path] => say(append(path, "write", || std::fs::remove_file(path))?)?,
        ["renamed", path, renamed] => write_under_another_name(path, renamed)?,
        ["to-input"] => {
            rustix::io::write(std::io::stdin(), b"child")?;
        }
        ["bytes", size] => {
            write_to_closed(&vec![b'a'; size.parse()?]);
            say(0)?;
        }
        ["scattered", parts] => {
            let parts: Vec<_> = parts.split(',').map(|part| part.as_bytes().to_vec()).collect();
            scatter_to_closed(&parts);
            say(0)?;
        }
        ["segments", count, size] => {
            scatter_to_closed(&vec![vec![b'a'; size.parse()?]; count.parse()?]);
            say(0)?;
        }
        ["closed"] => say(write_to_closed(b"more"))?,
        _ => bail!("unknown way of writing {words:?}"),
    }
    Ok(())
}

/// Opens a file, does something, and writes; the error number of the write.
fn append(path: &str, way: &str, between: impl FnOnce() -> std::io::Result<()>) -> Result<i32> {
    let mut file = std::fs::OpenOptions::new().append(true).open(path)?;
    between()?;
    let result = match way {
        // From memory that has been touched: programs that must not sleep can read no other.
        "write" => file.write(String::from("more").as_bytes()),
        "pwrite" => file.write_at(b"more", 4),
        "writev" => file.write_vectored(&[IoSlice::new(b"mo"), IoSlice::new(b"re")]),
        _ => bail!("unknown way of writing {way:?}"),
    };
    Ok(result.err().map_or(0, errno))
}

fn write_under_another_name(path: &str, renamed: &str) -> Result<()> {
    let open = |path: &str| std::fs::OpenOptions::new().append(true).open(path);
    let mut file = open(path)?;
    std::fs::rename(path, renamed)?;
    file.write_all(b"descriptor")?;
    let mut copy = std::os::fd::OwnedFd::from(std::fs::File::open("/dev/null")?);
    rustix::io::dup2(&file, &mut copy)?;
    rustix::io::write(&copy, b"copy")?;
    drop(copy);
    open(renamed)?.write_all(b"opened by its new name")?;
    let child = command(&["write", "to-input"])?.stdin(Stdio::from(file)).status()?;
    ensure!(child.success(), "the child ended with {child}");
    Ok(())
}

/// The error number of a write to no file.
fn write_to_closed(bytes: &[u8]) -> i32 {
    // SAFETY: the buffer is as long as it says.
    #[allow(unsafe_code, reason = "rustix and the standard library write to open files only")]
    let result = unsafe { libc::write(999, bytes.as_ptr().cast(), bytes.len()) };
    if result < 0 { errno(std::io::Error::last_os_error()) } else { 0 }
}

fn scatter_to_closed(parts: &[Vec<u8>]) {
    let segments: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
    // SAFETY: each buffer is as long as its segment says, and there are as many segments.
    #[allow(unsafe_code, reason = "rustix and the standard library write to open files only")]
    unsafe {
        libc::writev(999, segments.as_ptr().cast(), segments.len() as libc::c_int);
    }
}
