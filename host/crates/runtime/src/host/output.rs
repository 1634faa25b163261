//! Standard output and error of a guest: lines of its log.

use std::sync::Arc;

use bytes::Bytes;
use model::mask::Pieces;
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
    text: Arc<Mutex<Text>>,
}

struct Text {
    /// What was written and may be the beginning of a secret, or is not looked at yet.
    pieces: Pieces,
    /// So many bytes are looked at, whether or not a line ends.
    due: usize,
    /// The line that has not ended, masked.
    line: Vec<u8>,
}

impl Stream {
    pub(crate) fn new(log: Arc<LogBuffer>, level: Level) -> Self {
        let text = Text {
            pieces: Pieces::new(log.masker().clone()),
            due: PERMIT,
            line: Vec::new(),
        };
        Self {
            log,
            level,
            text: Arc::new(Mutex::new(text)),
        }
    }

    fn append(&self, bytes: &[u8]) {
        if !self.log.keeps(self.level) {
            self.log.append(self.level, "");
            return;
        }
        let mut text = self.text.lock();
        text.pieces.push(bytes);
        if bytes.contains(&b'\n') || text.pieces.held() >= text.due {
            let ready = text.pieces.take();
            text.due = text.pieces.held() + PERMIT;
            self.write_lines(&mut text.line, &ready);
        }
    }

    /// Logs lines of a text that is masked.
    fn write_lines(&self, line: &mut Vec<u8>, masked: &[u8]) {
        for part in masked.split_inclusive(|&byte| byte == b'\n') {
            let (text, ended) = part
                .strip_suffix(b"\n")
                .map_or((part, false), |text| (text, true));
            line.extend_from_slice(text);
            if ended || line.len() >= PERMIT {
                self.emit(line);
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
        let mut text = self.text.lock();
        let rest = text.pieces.finish();
        self.write_lines(&mut text.line, &rest);
        if !text.line.is_empty() {
            self.emit(&mut text.line);
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
    use model::mask::Masker;

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
        let text = stream.text.lock();
        assert!(text.line.capacity() <= 4 * PERMIT);
        assert!(text.pieces.held() < PERMIT);
        assert_eq!(log.take().len(), 11);
    }

    #[test]
    fn no_part_of_a_secret_is_in_a_line() {
        let numbers: Vec<String> = (0..2_000).map(|number| format!("{number:04x}")).collect();
        let secret = numbers.concat();
        let lines = "short\nfirst line of it\nsecond line of it";
        let secrets = [("long", secret.as_str()), ("lines", lines)];
        let log = LogBuffer::new(Arc::new(Fixed), Level::Info, LogLimits::default())
            .masking(Masker::new(secrets).unwrap());
        let log = Arc::new(log);
        let stream = Stream::new(log.clone(), Level::Info);
        // It stands where a line is broken.
        stream.append(&[b'x'; PERMIT - 100]);
        for part in secret.as_bytes().chunks(700) {
            stream.append(part);
        }
        stream.append(format!(" end\n{lines}\nfirst line of it\n").as_bytes());
        stream.finish();
        let all: Vec<_> = log.take().into_iter().map(|line| line.message).collect();
        let all = all.join("\n");
        assert!(
            all.contains("xxx****") && all.contains("**** end\n"),
            "{all}"
        );
        for part in ["0000", "0abc", "07cf", "short", "line of it"] {
            assert!(!all.contains(part), "{part}: {all}");
        }
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
        assert_eq!(stream.text.lock().pieces.held(), 0);
    }
}
