//! Writing whole lines to a descriptor.

use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::event::{PollFd, PollFlags, poll};

use crate::batch::Batch;
use crate::sink::Unwritten;

/// A writer of lines. After an error in the middle of a line, what follows begins on a new one.
pub(crate) struct Lines<W> {
    to: W,
    torn: bool,
}

impl<W: Write + AsFd> Lines<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, torn: false }
    }

    /// Writes events, each with its newline. What can't be written is lost.
    pub(crate) fn write(&mut self, batch: Batch<'_>) -> Result<(), Unwritten> {
        self.write_lines(batch.text()).map_err(|Torn { bytes, source }| {
            let written = batch.count_within(bytes);
            Unwritten { written, lost: batch.len() - written, source }
        })
    }

    /// What is written to.
    pub(crate) fn get(&self) -> &W {
        &self.to
    }

    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Torn> {
        if self.torn {
            self.write_all(b"\n").map_err(|torn| Torn { bytes: 0, ..torn })?;
            self.torn = false;
        }
        self.write_all(lines).inspect_err(|torn| {
            self.torn = torn.bytes > 0 && lines.get(torn.bytes - 1) != Some(&b'\n');
        })
    }

    /// Unlike `Write::write_all`, this tells how far it came, and waits for a descriptor that somebody set to
    /// non-blocking: terminals are shared with other programs.
    fn write_all(&mut self, text: &[u8]) -> Result<(), Torn> {
        let mut bytes = 0;
        while bytes < text.len() {
            let result = match self.to.write(&text[bytes..]) {
                Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                Ok(count) => {
                    bytes += count;
                    Ok(())
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => wait(&self.to),
                Err(error) => Err(error),
            };
            result.map_err(|source| Torn { bytes, source })?;
        }
        Ok(())
    }
}

/// Text was written in part or not at all.
#[derive(Debug)]
struct Torn {
    /// How many bytes were.
    bytes: usize,
    /// Why not the rest.
    source: io::Error,
}

fn wait(to: &impl AsFd) -> io::Result<()> {
    match poll(&mut [PollFd::new(to, PollFlags::OUT)], None) {
        Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::fs::File;
    use std::io::Read as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    /// A disk that has room for so many bytes.
    struct Disk {
        file: File,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let count = bytes.len().min(self.room);
            if count == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            self.room -= count;
            self.file.write(&bytes[..count])
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl AsFd for Disk {
        fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
            self.file.as_fd()
        }
    }

    #[test]
    fn a_torn_line_does_not_spoil_the_next() {
        for (room, written, expected) in [
            (0, 0, "three\n"),
            (3, 3, "one\nthree\n"),
            (4, 4, "one\nthree\n"),
            (6, 6, "one\ntw\nthree\n"),
            (7, 7, "one\ntwo\nthree\n"),
        ] {
            let file = tempfile::NamedTempFile::new().unwrap();
            let mut lines = Lines::new(Disk { file: file.reopen().unwrap(), room });
            let failure = lines.write_lines(b"one\ntwo\n").unwrap_err();
            assert_eq!((failure.bytes, failure.source.kind()), (written, io::ErrorKind::StorageFull));
            if lines.torn {
                assert_eq!(lines.write_lines(b"lost\n").unwrap_err().bytes, 0, "still full");
            }
            lines.to.room = 100;
            lines.write_lines(b"three\n").unwrap();
            assert_eq!(std::fs::read_to_string(file.path()).unwrap(), expected, "room for {room}");
        }
    }

    #[test]
    fn waits_for_a_non_blocking_reader() {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        ours.set_nonblocking(true).unwrap();
        let sent: Vec<u8> = b"a line that is long enough\n".repeat(100_000);
        let reader = std::thread::spawn(move || {
            let mut received = Vec::new();
            theirs.read_to_end(&mut received).unwrap();
            received
        });
        Lines::new(ours).write_lines(&sent).unwrap();
        assert!(reader.join().unwrap() == sent, "all arrives");
    }

    #[test]
    fn a_reader_that_went_away_is_a_broken_pipe() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        drop(theirs);
        let failure = Lines::new(ours).write_lines(b"one\n").unwrap_err();
        assert_eq!(failure.source.kind(), io::ErrorKind::BrokenPipe);
    }
}
