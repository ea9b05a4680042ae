//! Connections as they come in.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::{Sleep, sleep};
use tokio_stream::Stream;

/// How long to wait after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(50);

/// A listener that waits a little after an error: mostly there are no descriptors left, the connection stays where it is,
/// and accepting it would fail again and again.
pub(crate) struct Incoming<L> {
    listener: L,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<L> Incoming<L> {
    pub(crate) fn new(listener: L) -> Self {
        Self { listener, pause: None }
    }
}

impl<L: Stream<Item = io::Result<T>> + Unpin, T> Stream for Incoming<L> {
    type Item = io::Result<T>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        loop {
            if let Some(pause) = &mut self.pause {
                ready!(pause.as_mut().poll(context));
                self.pause = None;
            }
            match ready!(Pin::new(&mut self.listener).poll_next(context)) {
                Some(Err(error)) => {
                    tracing::debug!("a client of the API can't be accepted: {error}");
                    self.pause = Some(Box::pin(sleep(PAUSE)));
                }
                accepted => return Poll::Ready(accepted),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio_stream::StreamExt as _;

    use super::*;

    #[tokio::test]
    async fn errors_are_waited_out() {
        let accepted =
            [Ok(1), Err(io::ErrorKind::OutOfMemory.into()), Err(io::ErrorKind::Other.into()), Ok(2)];
        let mut incoming = Incoming::new(tokio_stream::iter(accepted));
        assert_eq!(incoming.next().await.and_then(Result::ok), Some(1));
        // It is not asked again at once.
        let mut now = Context::from_waker(std::task::Waker::noop());
        assert!(Pin::new(&mut incoming).poll_next(&mut now).is_pending());
        assert_eq!(incoming.next().await.and_then(Result::ok), Some(2));
        assert!(incoming.next().await.is_none());
    }
}
