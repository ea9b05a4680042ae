//! The sink `http`: JSON lines in POST requests.

use std::io;

use crate::batch::Batch;
use crate::config::HttpConfig;
use crate::post::Post;
use crate::sink::{Sink, Unwritten};

/// A web hook: <https://github.com/ndjson/ndjson-spec>.
pub(crate) struct Http(Post);

impl Http {
    pub(crate) fn new(config: &HttpConfig) -> io::Result<Self> {
        Ok(Self(Post::new(config, "application/x-ndjson")?))
    }
}

impl Sink for Http {
    fn write(&mut self, batch: Batch<'_>) -> Result<(), Unwritten> {
        // Any answer of success takes it all.
        self.0.send(batch, |part| part.text().to_vec(), |_| 0)
    }
}
