//! Request bodies: read once, up to a limit; the rest of a refused one is let run dry.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use axum::{body::Body, http::StatusCode};
use bytes::{Bytes, BytesMut};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::BodyExt as _;

use crate::{code, problem::Problem};

/// Up to so much of a refused body is read and thrown away, so that a client which
/// sends first and reads later gets its answer instead of a reset connection.
const DRAIN: usize = 300 << 20;
const DRAIN_TIME: Duration = Duration::from_secs(10);
/// Memory that is set aside because a header says that so much will come.
const RESERVE: usize = 1 << 20;

/// The refusal of a body over `limit`.
pub(crate) fn too_large(what: &str, limit: usize) -> Problem {
    let size = if limit >= 1 << 20 {
        format!("{} MiB", limit >> 20)
    } else {
        format!("{limit} bytes")
    };
    Problem::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        code::TOO_LARGE,
        format!("{what} may have at most {size}"),
    )
}

/// The whole body.
pub(crate) async fn read(mut body: Body, what: &str, limit: usize) -> Result<Bytes, Problem> {
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(too_large(what, limit));
    }
    let mut whole = Gathered::new(limit, announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| broken_off(&error))?;
        if let Ok(data) = frame.into_data()
            && !whole.push(data)
        {
            return Err(too_large(what, limit));
        }
    }
    Ok(whole.finish())
}

/// The refusal of a body that did not arrive whole.
pub(crate) fn broken_off(error: &dyn std::fmt::Display) -> Problem {
    Problem::unreadable(format!("the request's body did not arrive whole: {error}"))
}

/// Pieces of a body; a body of one piece is not copied.
pub(crate) struct Gathered {
    limit: usize,
    announced: usize,
    first: Bytes,
    rest: BytesMut,
}

impl Gathered {
    pub(crate) fn new(limit: usize, announced: usize) -> Self {
        Self {
            limit,
            announced,
            first: Bytes::new(),
            rest: BytesMut::new(),
        }
    }

    /// Takes a piece; `false` when that were too much.
    pub(crate) fn push(&mut self, data: Bytes) -> bool {
        if self.first.len() + self.rest.len() + data.len() > self.limit {
            return false;
        }
        if self.first.is_empty() && self.rest.is_empty() {
            self.first = data;
        } else {
            if self.rest.is_empty() {
                self.rest.reserve(
                    self.announced
                        .clamp(2 * data.len(), RESERVE.max(2 * data.len())),
                );
                self.rest.extend_from_slice(&mem::take(&mut self.first));
            }
            self.rest.extend_from_slice(&data);
        }
        true
    }

    pub(crate) fn finish(self) -> Bytes {
        if self.rest.is_empty() {
            self.first
        } else {
            self.rest.freeze()
        }
    }
}

/// A request's body that, dropped before its end, is read to it in the background.
pub(crate) struct Draining(Body);

impl Draining {
    pub(crate) fn wrap(body: Body) -> Body {
        if body.is_end_stream() {
            body
        } else {
            Body::new(Self(body))
        }
    }
}

impl http_body::Body for Draining {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.0).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}

impl Drop for Draining {
    fn drop(&mut self) {
        if self.0.is_end_stream() {
            return;
        }
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let mut body = mem::take(&mut self.0);
        runtime.spawn(tokio::time::timeout(DRAIN_TIME, async move {
            let mut read = 0;
            while let Some(Ok(frame)) = body.frame().await {
                read += frame.data_ref().map_or(0, Bytes::len);
                if read > DRAIN {
                    return;
                }
            }
        }));
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;

    use super::*;

    fn pieces(sizes: &[usize]) -> Body {
        let pieces: Vec<_> = sizes
            .iter()
            .map(|size| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; *size])))
            .collect();
        Body::from_stream(stream::iter(pieces))
    }

    #[tokio::test]
    async fn a_body_is_read_up_to_its_limit() {
        for sizes in [&[][..], &[10], &[4, 6], &[1, 2, 3, 4]] {
            let whole = read(pieces(sizes), "x", 10).await.unwrap();
            assert_eq!(whole.len(), sizes.iter().sum::<usize>());
            assert!(whole.iter().all(|byte| *byte == b'x'));
        }
        for body in [pieces(&[11]), pieces(&[10, 1]), Body::from(vec![0; 11])] {
            let problem = read(body, "a run request", 10).await.unwrap_err();
            assert_eq!(problem.status(), 413);
            let text = String::from_utf8(problem.document("/", "1")).unwrap();
            assert!(
                text.contains("a run request may have at most 10 bytes"),
                "{text}"
            );
        }
    }
}
