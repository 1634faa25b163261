//! Secret values hidden wherever text leaves the service: logs, step data, errors,
//! exports.
//!
//! Beside a value itself its base64 forms are found (both alphabets, also in the
//! middle of a longer encoded text such as `user:password`), its URL-encoded and its
//! JSON-escaped ones, and those of each of its lines. Values and lines shorter than
//! [`SHORTEST`] characters are not masked: they would blot out ordinary text.

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
    sync::Arc,
};

use aho_corasick::{AhoCorasick, BuildError};
use base64::{Engine as _, engine::general_purpose};
use serde_json::{Map, Value};

mod pieces;

pub use pieces::Pieces;

/// What stands in place of a secret.
pub const MASK: &str = "********";
/// The fewest characters of a value that is masked.
pub const SHORTEST: usize = 4;

/// Masks the secret values that it was made with. A clone shares them.
#[derive(Clone, Default)]
pub struct Masker {
    patterns: Option<Arc<Patterns>>,
}

struct Patterns {
    search: AhoCorasick,
    /// By pattern, the place in `names` of the secret that it is a form of.
    owners: Vec<usize>,
    /// What the secrets are called.
    names: Vec<String>,
    /// The patterns, in their order.
    sorted: Vec<String>,
}

impl Masker {
    /// A masker that knows no secret and changes nothing.
    pub const fn none() -> Self {
        Self { patterns: None }
    }

    /// A masker of these values, each with what people call it: a form that several
    /// secrets have is reported as the first one's.
    ///
    /// # Errors
    /// When the values together are too large to search for (gigabytes).
    pub fn new<N: Into<String>, S: AsRef<str>>(
        secrets: impl IntoIterator<Item = (N, S)>,
    ) -> Result<Self, BuildError> {
        let mut patterns = BTreeMap::new();
        let mut names = Vec::new();
        for (name, value) in secrets {
            let value = value.as_ref();
            if value.chars().count() < SHORTEST {
                continue;
            }
            let mut found = BTreeSet::new();
            forms(value, &mut found);
            // A log has each line of it by itself.
            for line in value.lines().map(str::trim) {
                if line.len() < value.len() && line.chars().count() >= SHORTEST {
                    forms(line, &mut found);
                }
            }
            for form in found {
                patterns.entry(form).or_insert(names.len());
            }
            names.push(name.into());
        }
        if patterns.is_empty() {
            return Ok(Self::none());
        }
        Ok(Self {
            patterns: Some(Arc::new(Patterns {
                search: AhoCorasick::new(patterns.keys())?,
                owners: patterns.values().copied().collect(),
                sorted: patterns.into_keys().collect(),
                names,
            })),
        })
    }

    /// What the secrets in a text are called, in the order in which they were given.
    pub fn found(&self, text: &str) -> Vec<&str> {
        self.names_of(|search| search.text(text))
    }

    /// What the secrets in a JSON text are called: those that
    /// [`mask_json`](Self::mask_json) hides.
    pub fn found_in_json(&self, json: &str) -> Vec<&str> {
        self.names_of(|search| {
            if !json.bytes().any(|byte| byte == b'\\') && !search.patterns.search.is_match(json) {
                return;
            }
            match serde_json::from_str::<Value>(json) {
                Ok(value) => search.value(&value),
                Err(_) => search.text(json),
            }
        })
    }

    fn names_of(&self, look: impl FnOnce(&mut Search<'_>)) -> Vec<&str> {
        let Some(patterns) = self.patterns.as_deref() else {
            return Vec::new();
        };
        let mut search = Search {
            patterns,
            owners: BTreeSet::new(),
        };
        look(&mut search);
        let names = search.owners.into_iter().map(|at| &*patterns.names[at]);
        let mut seen = BTreeSet::new();
        names.filter(|name| seen.insert(*name)).collect()
    }

    /// Whether there is nothing to mask.
    pub const fn is_empty(&self) -> bool {
        self.patterns.is_none()
    }

    /// Masks a text.
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let Some(patterns) = &self.patterns else {
            return Cow::Borrowed(text);
        };
        let covered = patterns.covered(text.as_bytes(), 0);
        if covered.is_empty() {
            return Cow::Borrowed(text);
        }
        let mut masked = String::with_capacity(text.len());
        let mut from = 0;
        for (start, end) in covered {
            masked.push_str(&text[from..start]);
            masked.push_str(MASK);
            from = end;
        }
        masked.push_str(&text[from..]);
        Cow::Owned(masked)
    }

    /// Masks a text of which no more than about the first `limit` bytes are wanted, so that no
    /// part of a secret is left where it is cut. The answer has at most `limit` bytes.
    pub fn mask_start<'t>(&self, text: &'t str, limit: usize) -> Cow<'t, str> {
        let cut = |text: &str| text.floor_char_boundary(limit);
        let masked = match &self.patterns {
            Some(patterns) if text.len() > limit => {
                let enough = limit.saturating_add(patterns.search.max_pattern_len());
                let text = &text[..text.floor_char_boundary(enough)];
                let (shown, _) = patterns.show(text.as_bytes(), cut(text), 0);
                Cow::Owned(String::from_utf8_lossy(&shown).into_owned())
            }
            _ => self.mask(text),
        };
        match masked {
            Cow::Borrowed(text) => Cow::Borrowed(&text[..cut(text)]),
            Cow::Owned(mut text) => {
                text.truncate(cut(&text));
                Cow::Owned(text)
            }
        }
    }

    /// Masks a JSON text, which stays valid JSON: keys and strings are masked within,
    /// a number that is secret becomes a string. What is no JSON is masked as text.
    pub fn mask_json<'t>(&self, json: &'t str) -> Cow<'t, str> {
        let Some(patterns) = &self.patterns else {
            return Cow::Borrowed(json);
        };
        // Without a backslash, strings read as they are written.
        if !json.bytes().any(|byte| byte == b'\\') && !patterns.search.is_match(json) {
            return Cow::Borrowed(json);
        }
        match serde_json::from_str::<Value>(json) {
            Ok(mut value) => {
                if self.mask_value(&mut value) {
                    Cow::Owned(value.to_string())
                } else {
                    Cow::Borrowed(json)
                }
            }
            Err(_) => self.mask(json),
        }
    }

    /// Masks a JSON value in place and says whether that changed it.
    pub fn mask_value(&self, value: &mut Value) -> bool {
        if self.patterns.is_none() {
            return false;
        }
        match value {
            Value::String(text) => match self.mask(text) {
                Cow::Owned(masked) => {
                    *text = masked;
                    true
                }
                Cow::Borrowed(_) => false,
            },
            Value::Number(number) => {
                let hidden = matches!(self.mask(&number.to_string()), Cow::Owned(_));
                if hidden {
                    *value = MASK.into();
                }
                hidden
            }
            Value::Array(list) => list
                .iter_mut()
                .fold(false, |changed, one| self.mask_value(one) | changed),
            Value::Object(map) => self.mask_object(map),
            Value::Null | Value::Bool(_) => false,
        }
    }

    fn mask_object(&self, map: &mut Map<String, Value>) -> bool {
        let mut changed = false;
        let mut keys = false;
        for (key, one) in map.iter_mut() {
            changed |= self.mask_value(one);
            keys |= matches!(self.mask(key), Cow::Owned(_));
        }
        if keys {
            let old = std::mem::take(map);
            for (key, one) in old {
                let mut key = self.mask(&key).into_owned();
                while map.contains_key(&key) {
                    key.push('*');
                }
                map.insert(key, one);
            }
        }
        changed | keys
    }
}

impl Patterns {
    /// What is to be hidden, in its order: matches may overlap, and what any of them covers is
    /// hidden. The first `hidden` bytes are in any case.
    fn covered(&self, text: &[u8], hidden: usize) -> Vec<(usize, usize)> {
        let mut covered = Vec::new();
        if hidden > 0 {
            covered.push((0, hidden));
        }
        for found in self.search.find_overlapping_iter(text) {
            let (mut start, mut end) = (found.start(), found.end());
            while let Some(&(earlier, until)) = covered.last()
                && until > start
            {
                start = start.min(earlier);
                end = end.max(until);
                covered.pop();
            }
            covered.push((start, end));
        }
        covered
    }

    /// From where on the end of a text may be the beginning of something to hide.
    fn begins(&self, text: &[u8]) -> usize {
        let first = text.len().saturating_sub(self.search.max_pattern_len() - 1);
        let may_begin = |at: &usize| {
            let rest = &text[*at..];
            let longer = self.sorted.partition_point(|form| form.as_bytes() <= rest);
            self.sorted
                .get(longer)
                .is_some_and(|form| form.as_bytes().starts_with(rest))
        };
        (first..text.len()).find(may_begin).unwrap_or(text.len())
    }

    /// The first `end` bytes of a text, masked, and how many of those behind them are to be
    /// hidden. The first `hidden` are.
    fn show(&self, text: &[u8], end: usize, hidden: usize) -> (Vec<u8>, usize) {
        let (mut shown, mut from, mut more) = (Vec::with_capacity(end), 0, 0);
        for (start, until) in self.covered(text, hidden) {
            if start >= end {
                break;
            }
            shown.extend_from_slice(&text[from..start]);
            shown.extend_from_slice(MASK.as_bytes());
            from = until.min(end);
            more = until - from;
        }
        shown.extend_from_slice(&text[from..end]);
        (shown, more)
    }
}

impl std::fmt::Debug for Masker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Masker")
            .field(
                "patterns",
                &self.patterns.as_ref().map_or(0, |all| all.owners.len()),
            )
            .finish()
    }
}

/// What must be masked of a secret JSON value: itself, or every text and number inside
/// a list or an object.
pub fn values(json: &str) -> Vec<String> {
    fn leaves(value: Value, values: &mut Vec<String>) {
        match value {
            Value::String(text) => values.push(text),
            Value::Number(number) => values.push(number.to_string()),
            Value::Array(list) => list.into_iter().for_each(|one| leaves(one, values)),
            Value::Object(map) => map.into_values().for_each(|one| leaves(one, values)),
            Value::Null | Value::Bool(_) => {}
        }
    }
    let mut values = Vec::new();
    if let Ok(value) = serde_json::from_str(json) {
        leaves(value, &mut values);
    }
    values
}

/// Looks for secrets without hiding them.
struct Search<'m> {
    patterns: &'m Patterns,
    owners: BTreeSet<usize>,
}

impl Search<'_> {
    fn text(&mut self, text: &str) {
        let found = self.patterns.search.find_overlapping_iter(text);
        self.owners
            .extend(found.map(|one| self.patterns.owners[one.pattern().as_usize()]));
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::String(text) => self.text(text),
            Value::Number(number) => self.text(&number.to_string()),
            Value::Array(list) => list.iter().for_each(|one| self.value(one)),
            Value::Object(map) => {
                for (key, one) in map {
                    self.text(key);
                    self.value(one);
                }
            }
            Value::Null | Value::Bool(_) => {}
        }
    }
}

/// Every form in which a value is looked for.
fn forms(value: &str, patterns: &mut BTreeSet<String>) {
    patterns.insert(value.to_owned());
    json_forms(value, patterns);
    url_forms(value, patterns);
    base64_forms(value.as_bytes(), patterns);
}

fn json_forms(value: &str, patterns: &mut BTreeSet<String>) {
    let mut json = String::new();
    crate::raw::push_string(&mut json, value);
    let plain = json[1..json.len() - 1].to_owned();
    let mut ascii = String::with_capacity(plain.len());
    let mut ascii_upper = String::with_capacity(plain.len());
    for character in plain.chars() {
        if character.is_ascii() {
            ascii.push(character);
            ascii_upper.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            let _ = write!(ascii, "\\u{unit:04x}");
            let _ = write!(ascii_upper, "\\u{unit:04X}");
        }
    }
    for form in [plain, ascii, ascii_upper] {
        patterns.insert(form.replace('/', "\\/"));
        patterns.insert(form);
    }
}

fn url_forms(value: &str, patterns: &mut BTreeSet<String>) {
    // What stays as it is differs: encodeURIComponent, HTML forms, RFC 3986 with or
    // without slashes, and encoders that escape everything but letters and digits.
    for safe in ["-_.!~*'()", "*-._", "-._~", "-._~/", ""] {
        for space in ["%20", "+"] {
            let (mut upper, mut lower) = (String::new(), String::new());
            for byte in value.bytes() {
                let character = char::from(byte);
                if byte.is_ascii_alphanumeric() || (byte.is_ascii() && safe.contains(character)) {
                    upper.push(character);
                    lower.push(character);
                } else if byte == b' ' {
                    upper.push_str(space);
                    lower.push_str(space);
                } else {
                    let _ = write!(upper, "%{byte:02X}");
                    let _ = write!(lower, "%{byte:02x}");
                }
            }
            patterns.insert(upper);
            patterns.insert(lower);
        }
    }
}

/// The base64 text that the bytes lead to wherever they stand in what is encoded:
/// for each place modulo 3, the characters that depend on nothing else. Beside them
/// the whole encoded value, so that the ends are hidden too where it stands alone.
fn base64_forms(value: &[u8], patterns: &mut BTreeSet<String>) {
    if value.is_empty() {
        return;
    }
    for engine in [general_purpose::STANDARD, general_purpose::URL_SAFE] {
        for before in 0..3 {
            let mut bytes = vec![0; before];
            bytes.extend_from_slice(value);
            let text = engine.encode(&bytes);
            let (start, end) = ((before * 8).div_ceil(6), bytes.len() * 8 / 6);
            if end >= start + SHORTEST {
                patterns.insert(text[start..end].to_owned());
            }
            if before == 0 {
                patterns.insert(text.trim_end_matches('=').to_owned());
                patterns.insert(text);
            }
        }
    }
}

#[cfg(test)]
#[path = "mask_tests.rs"]
mod tests;
