//! Sending batches by HTTP.

use std::cell::OnceCell;
use std::error::Error;
use std::io::{self, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use reqwest::header::{CONTENT_ENCODING, CONTENT_TYPE};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use tokio::runtime::{Builder, Runtime};

use crate::config::HttpConfig;
use crate::records::Records;
use crate::sink::Unwritten;

/// Bytes of records in a request, at most, unless a single one has more.
pub(crate) const MAX_BYTES: usize = 4 << 20;
/// Bytes of an answer that are read.
const MAX_ANSWER: usize = 64 << 10;

/// A client for one URL. Redirects are not followed, and proxies in the environment are not used.
pub(crate) struct Post {
    config: HttpConfig,
    content_type: &'static str,
    client: Client,
    /// Made by the thread that sends, as one must not be dropped where others run: an agent that can't start does that.
    runtime: OnceCell<Runtime>,
}

/// A request came to nothing.
enum Failure {
    /// The server is out of reach, or says that it can't now.
    Later(io::Error),
    /// The server does not want it.
    Refused(io::Error),
}

impl Post {
    pub(crate) fn new(config: &HttpConfig, content_type: &'static str) -> io::Result<Self> {
        let builder = |config: &HttpConfig| {
            let agent = concat!("serin/", env!("CARGO_PKG_VERSION"));
            Client::builder().user_agent(agent).timeout(config.timeout).redirect(Policy::none()).no_proxy()
        };
        let client = builder(config).build().or_else(|error| {
            // A machine without CA certificates can still reach http URLs.
            tracing::warn!(%error, "no CA certificates: https URLs will fail");
            builder(config).tls_certs_only([]).build()
        });
        Ok(Self {
            config: config.clone(),
            content_type,
            client: client.map_err(io::Error::other)?,
            runtime: OnceCell::new(),
        })
    }

    /// Sends records in as many requests as it takes; `encode` makes the body of one, `rejected` tells from an
    /// answer how many of them the server has not taken.
    pub(crate) fn send(
        &self,
        records: Records<'_>,
        encode: impl Fn(Records<'_>) -> Vec<u8>,
        rejected: impl Fn(&[u8]) -> usize,
    ) -> Result<(), Unwritten> {
        let mut written = 0;
        while written < records.len() {
            let (_, rest) = records.split_at(written);
            let count = rest.count_within(MAX_BYTES).clamp(1, self.config.batch);
            let (part, _) = rest.split_at(count);
            match self.post(encode(part)) {
                Ok(answer) => match rejected(&answer).min(part.len()) {
                    0 => written += part.len(),
                    lost => {
                        let source = io::Error::other(format!("the server rejects {lost} of {}", part.len()));
                        return Err(Unwritten { written: written + part.len() - lost, lost, source });
                    }
                },
                Err(Failure::Later(source)) => return Err(Unwritten { written, lost: 0, source }),
                Err(Failure::Refused(source)) => return Err(Unwritten { written, lost: part.len(), source }),
            }
        }
        Ok(())
    }

    fn runtime(&self) -> Result<&Runtime, Failure> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        // Without descriptors there is none for now.
        let runtime = Builder::new_current_thread().enable_all().build().map_err(Failure::Later)?;
        Ok(self.runtime.get_or_init(|| runtime))
    }

    fn post(&self, body: Vec<u8>) -> Result<Vec<u8>, Failure> {
        let mut request = self
            .client
            .post(self.config.url.clone())
            .headers(self.config.headers.clone())
            .header(CONTENT_TYPE, self.content_type);
        request = if self.config.compress {
            request.header(CONTENT_ENCODING, "gzip").body(gzip(&body).map_err(Failure::Refused)?)
        } else {
            request.body(body)
        };
        self.runtime()?.block_on(async {
            let mut response = request.send().await.map_err(|error| Failure::Later(cause(error)))?;
            let status = response.status();
            let mut answer = Vec::new();
            while answer.len() < MAX_ANSWER
                && let Ok(Some(chunk)) = response.chunk().await
            {
                answer.extend_from_slice(&chunk);
            }
            judge(status, answer)
        })
    }
}

fn judge(status: StatusCode, answer: Vec<u8>) -> Result<Vec<u8>, Failure> {
    let error = || io::Error::other(format!("the server answers {status}"));
    match status {
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_EARLY | StatusCode::TOO_MANY_REQUESTS => {
            Err(Failure::Later(error()))
        }
        _ if status.is_success() => Ok(answer),
        _ if status.is_server_error() => Err(Failure::Later(error())),
        _ => Err(Failure::Refused(error())),
    }
}

/// What is at the bottom of it, without the URL, which may carry a token.
fn cause(error: reqwest::Error) -> io::Error {
    let error = error.without_url();
    let mut deepest: &dyn Error = &error;
    while let Some(source) = deepest.source() {
        deepest = source;
    }
    io::Error::other(if error.is_timeout() { "no answer in time".to_owned() } else { deepest.to_string() })
}

fn gzip(body: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(body)?;
    encoder.finish()
}
