//! Bodies in both directions.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};
use http_body_util::BodyExt as _;
use http_body_util::combinators::UnsyncBoxBody;
use hyper::body::Incoming;
use tokio::time::Sleep;

use super::error::{Error, Phase};
use super::pool::{Connection, Slot};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request on its way out.
pub(super) enum Outgoing {
    Empty,
    Stream {
        inner: UnsyncBoxBody<Bytes, BoxError>,
        _finished: Finished,
    },
}

impl Outgoing {
    /// Wraps a body; the second value tells when the connection is done with it.
    pub(super) fn new<B>(body: B) -> (Self, Upload)
    where
        B: HttpBody<Data = Bytes> + Send + 'static,
        B::Error: Into<BoxError>,
    {
        if body.is_end_stream() {
            return (Self::Empty, Upload(None));
        }
        let flag = Arc::new(AtomicBool::new(false));
        let inner = body.map_err(Into::into).boxed_unsync();
        (
            Self::Stream {
                inner,
                _finished: Finished(flag.clone()),
            },
            Upload(Some(flag)),
        )
    }

    /// Whether the same body can be sent again.
    pub(super) fn is_replayable(&self) -> bool {
        matches!(self, Self::Empty)
    }
}

impl HttpBody for Outgoing {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Stream { inner, .. } => Pin::new(inner).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Stream { inner, .. } => inner.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Stream { inner, .. } => inner.size_hint(),
        }
    }
}

/// Set when the connection lets go of the body, complete or not.
pub(super) struct Finished(Arc<AtomicBool>);

impl Drop for Finished {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}

/// Follows the upload of a request body.
pub(super) struct Upload(Option<Arc<AtomicBool>>);

impl Upload {
    fn is_finished(&self) -> bool {
        self.0
            .as_ref()
            .is_none_or(|flag| flag.load(Ordering::Acquire))
    }
}

/// The body of a response as it arrives.
///
/// Reading it to its end keeps the connection for the next request; dropping it earlier closes the
/// connection.
pub struct Body {
    incoming: Incoming,
    /// Gone when the body has ended, well or not. The connection stands first: it must be closed
    /// before its slot is free.
    held: Option<(Connection, Slot)>,
    upload: Upload,
    timer: Timer,
    host: Arc<str>,
    /// For the error: the request was not idempotent.
    acts: bool,
}

struct Timer {
    limit: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
    armed: bool,
}

impl Timer {
    /// Ready when the body has kept silent for too long.
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let limit = self.limit;
        let sleep = self.sleep.get_or_insert_with(|| {
            self.armed = true;
            Box::pin(tokio::time::sleep(limit))
        });
        if !self.armed {
            self.armed = true;
            sleep.as_mut().reset((Instant::now() + limit).into());
        }
        sleep.as_mut().poll(cx)
    }
}

impl Body {
    pub(super) fn new(
        incoming: Incoming,
        held: (Connection, Slot),
        upload: Upload,
        between_bytes: Duration,
        host: Arc<str>,
        acts: bool,
    ) -> Self {
        let timer = Timer {
            limit: between_bytes,
            sleep: None,
            armed: false,
        };
        let mut body = Self {
            incoming,
            held: Some(held),
            upload,
            timer,
            host,
            acts,
        };
        if body.incoming.is_end_stream() {
            body.finish();
        }
        body
    }

    /// The response is complete: the connection may serve another request, unless the server
    /// answered before it had the whole request.
    fn finish(&mut self) {
        if let Some((connection, slot)) = self.held.take()
            && self.upload.is_finished()
        {
            slot.keep(connection);
        }
    }
}

impl std::fmt::Debug for Body {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Body")
            .field("host", &self.host)
            .field("open", &self.held.is_some())
            .finish_non_exhaustive()
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = self.get_mut();
        if this.held.is_none() {
            return Poll::Ready(None);
        }
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                this.timer.armed = false;
                if this.incoming.is_end_stream() {
                    this.finish();
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => {
                this.held = None;
                Poll::Ready(Some(Err(Error::Closed {
                    host: this.host.to_string(),
                    reason: chain(&error),
                    maybe_received: this.acts,
                })))
            }
            Poll::Ready(None) => {
                this.finish();
                Poll::Ready(None)
            }
            Poll::Pending => {
                if this.timer.poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.held = None;
                Poll::Ready(Some(Err(Error::Timeout {
                    host: this.host.to_string(),
                    phase: Phase::BetweenBytes,
                    limit: this.timer.limit,
                    maybe_received: this.acts,
                })))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.held.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

/// An error with its causes in one line.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
