//! Standard output and error of a guest: lines of its log.

use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi_io::poll::Pollable;
use wasmtime_wasi_io::streams::{OutputStream, StreamError};

use crate::{Level, LogBuffer};

/// Bytes that one write may carry; also the length at which a line is broken.
const PERMIT: usize = 8 << 10;

/// One of the two streams. Clones write to the same line.
#[derive(Clone)]
pub(crate) struct Stream {
    log: Arc<LogBuffer>,
    level: Level,
    line: Arc<Mutex<Vec<u8>>>,
}

impl Stream {
    pub(crate) fn new(log: Arc<LogBuffer>, level: Level) -> Self {
        Self {
            log,
            level,
            line: Arc::default(),
        }
    }

    fn append(&self, bytes: &[u8]) {
        if !self.log.keeps(self.level) {
            self.log.append(self.level, "");
            return;
        }
        let mut line = self.line.lock();
        for part in bytes.split_inclusive(|&byte| byte == b'\n') {
            let (text, ended) = part
                .strip_suffix(b"\n")
                .map_or((part, false), |text| (text, true));
            line.extend_from_slice(text);
            if ended || line.len() >= PERMIT {
                self.emit(&mut line);
            }
        }
    }

    fn emit(&self, line: &mut Vec<u8>) {
        let text = String::from_utf8_lossy(line);
        self.log.append(self.level, text.trim_end_matches('\r'));
        line.clear();
    }

    /// Logs a line that was not ended.
    pub(crate) fn finish(&self) {
        let mut line = self.line.lock();
        if !line.is_empty() {
            self.emit(&mut line);
        }
    }
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        // Only WASI 0.3 asks for this one.
        Box::new(tokio::io::sink())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[async_trait::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> Result<(), StreamError> {
        self.append(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), StreamError> {
        Ok(())
    }

    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(PERMIT)
    }
}

#[cfg(test)]
mod tests {
    use model::clock::{Clock, Timestamp};

    use super::*;
    use crate::LogLimits;

    struct Fixed;
    impl Clock for Fixed {
        fn now(&self) -> Timestamp {
            Timestamp(7)
        }
    }

    #[test]
    fn output_becomes_lines() {
        let log = Arc::new(LogBuffer::new(
            Arc::new(Fixed),
            Level::Info,
            LogLimits::default(),
        ));
        let stream = Stream::new(log.clone(), Level::Info);
        stream.append(b"a\nb\r\n\nc");
        stream.append(b"d\n\xffe");
        let other = stream.clone();
        other.append(b"f");
        stream.finish();
        stream.finish();
        let lines: Vec<_> = log.take().into_iter().map(|line| line.message).collect();
        assert_eq!(lines, ["a", "b", "", "cd", "\u{fffd}ef"]);
    }

    #[test]
    fn a_line_without_end_is_broken() {
        let log = Arc::new(LogBuffer::new(
            Arc::new(Fixed),
            Level::Info,
            LogLimits::default(),
        ));
        let stream = Stream::new(log.clone(), Level::Info);
        for _ in 0..100 {
            stream.append(&[b'x'; 1000]);
        }
        assert!(stream.line.lock().capacity() <= 4 * PERMIT);
        assert_eq!(log.take().len(), 11);
    }

    #[test]
    fn a_level_that_is_not_kept_buffers_nothing() {
        let log = Arc::new(LogBuffer::new(
            Arc::new(Fixed),
            Level::Error,
            LogLimits::default(),
        ));
        let stream = Stream::new(log.clone(), Level::Info);
        stream.append(b"abc");
        assert!(stream.line.lock().is_empty());
    }
}
