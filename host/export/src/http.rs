//! The sink `http`: JSON lines in POST requests.

use std::io;

use serin_event::Event;

use crate::config::HttpConfig;
use crate::peer::Peer;
use crate::post::Post;
use crate::records::Records;
use crate::sink::Unwritten;

/// A web hook: <https://github.com/ndjson/ndjson-spec>.
pub(crate) struct Http(Post);

impl Http {
    pub(crate) fn new(config: &HttpConfig) -> io::Result<Self> {
        Ok(Self(Post::new(config, "application/x-ndjson")?))
    }
}

/// A record is the line.
pub(crate) fn encode(_: &Event, text: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(text);
    out.push(b'\n');
}

impl Peer for Http {
    fn send(&mut self, records: Records<'_>) -> Result<(), Unwritten> {
        // Any answer of success takes it all.
        self.0.send(records, |part| part.bytes().to_vec(), |_| 0)
    }
}
