//! A text that comes in pieces, masked as a whole.

use super::Masker;

/// Masks a text that comes in pieces: what may be the beginning of a secret is held back until it
/// is known. Texts are bytes, for a piece may end within a character.
#[derive(Debug, Default)]
pub struct Pieces {
    masker: Masker,
    held: Vec<u8>,
    /// So many bytes of what is held belong to a secret that began before.
    hidden: usize,
}

impl Pieces {
    /// An empty text.
    pub const fn new(masker: Masker) -> Self {
        Self {
            masker,
            held: Vec::new(),
            hidden: 0,
        }
    }

    /// Appends a piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.held.extend_from_slice(piece);
    }

    /// How many bytes are held.
    pub const fn held(&self) -> usize {
        self.held.len()
    }

    /// Takes what can be shown by now, masked.
    pub fn take(&mut self) -> Vec<u8> {
        let end = match &self.masker.patterns {
            Some(patterns) => patterns.begins(&self.held),
            None => self.held.len(),
        };
        self.take_until(end)
    }

    /// Takes all, masked: no more comes.
    pub fn finish(&mut self) -> Vec<u8> {
        self.take_until(self.held.len())
    }

    fn take_until(&mut self, end: usize) -> Vec<u8> {
        let Some(patterns) = &self.masker.patterns else {
            return std::mem::take(&mut self.held);
        };
        if end == 0 {
            return Vec::new();
        }
        let (shown, hidden) = patterns.show(&self.held, end, self.hidden);
        self.hidden = hidden;
        self.held.drain(..end);
        shown
    }
}
