//! What a webhook's document means, and what a delivery becomes: the parameters of a run.
//!
//! Nothing of it knows HTTP or cryptography; a delivery is handed in as what was received.

use serde_json::{Map, Value};

use crate::{
    application::kind_of,
    run_request::RESERVED,
    suggest,
    validate::{Problem, pointer},
};

/// A value of a webhook is wrong.
pub const FAULT: &str = "PF-W001";
/// A delivery lacks what a parameter is made of, or it is of another type.
pub const LACKS: &str = "PF-W003";
/// The longest name, in characters.
pub const MAX_NAME: usize = 255;
/// The most parameters that are mapped.
const MAX_MAPPED: usize = 200;
/// The longest tolerance, in seconds.
const MAX_TOLERANCE: u64 = 24 * 3600;
/// How old a signed delivery may be where the document does not say, in seconds.
const TOLERANCE: i64 = 300;
/// What is signed where there is a timestamp and the document does not say.
const SIGNED: &str = "{timestamp}.{body}";
/// Headers that are proof of who sends: no parameters are made of them.
const PROOFS: [&str; 3] = ["authorization", "cookie", "proxy-authorization"];

/// The keys of a document.
pub const KEYS: [&str; 10] = [
    "application",
    "description",
    "params",
    "mapping",
    "body_parameter",
    "configuration",
    "queue",
    "signature",
    "deduplicate",
    "enabled",
];

/// Where a value of a delivery stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the body, at this JSON pointer.
    Body(String),
    /// In the header of this name, in lower case.
    Header(String),
    /// In the query, under this name.
    Query(String),
}

/// What the text of a header or a query becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Conversion {
    /// It stays a text.
    Text,
    /// A whole number.
    Integer,
    /// A number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// The JSON that it holds.
    Json,
}

/// A parameter of a run and what it is made of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapped {
    /// The parameter's name.
    pub parameter: String,
    /// Where its value stands.
    pub source: Source,
    /// What becomes of a text.
    pub conversion: Conversion,
    /// Whether a delivery without it is refused.
    pub required: bool,
}

/// How a binary signature is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Hexadecimal.
    Hex,
    /// Base64.
    Base64,
}

/// The time in a signature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timed {
    /// The header with the seconds since the Unix epoch.
    pub header: String,
    /// How far from now it may be, in seconds.
    pub tolerance: i64,
    /// What is signed: a text with `{timestamp}` and `{body}`.
    pub signed: String,
}

/// How a delivery proves who sent it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Signature {
    /// An HMAC with SHA-256 under the secret.
    HmacSha256 {
        /// The header that holds it.
        header: String,
        /// What stands before it there.
        prefix: String,
        /// How it is written.
        encoding: Encoding,
        /// The time that is signed with the body; `None`: the body alone is.
        timed: Option<Timed>,
    },
    /// Stripe's: `t=…,v1=…` in one header, over `{t}.{body}`.
    Stripe {
        /// The header that holds both.
        header: String,
        /// How far from now the time may be, in seconds.
        tolerance: i64,
    },
    /// The secret itself.
    Token {
        /// The header that holds it.
        header: String,
        /// What stands before it there.
        prefix: String,
    },
    /// Nothing: whoever knows the address is believed.
    None,
}

impl Signature {
    /// The word in documents.
    pub const fn word(&self) -> &'static str {
        match self {
            Self::HmacSha256 { .. } => "hmac-sha256",
            Self::Stripe { .. } => "stripe",
            Self::Token { .. } => "token",
            Self::None => "none",
        }
    }

    /// Whether it takes a secret.
    pub const fn needs_secret(&self) -> bool {
        !matches!(self, Self::None)
    }

    /// The header that holds the proof.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::HmacSha256 { header, .. }
            | Self::Stripe { header, .. }
            | Self::Token { header, .. } => Some(header),
            Self::None => None,
        }
    }
}

/// What a webhook's document means.
#[derive(Clone, Debug, PartialEq)]
pub struct Webhook {
    /// The application that a delivery starts.
    pub application: String,
    /// Parameters that each run is given.
    pub params: Map<String, Value>,
    /// Parameters that are made of the delivery; they win.
    pub mapping: Vec<Mapped>,
    /// The parameter that the whole body is.
    pub body_parameter: Option<String>,
    /// The configuration object of the run, in place of the application's.
    pub configuration: Option<String>,
    /// The queue of the run, in place of the application's.
    pub queue: Option<String>,
    /// How a delivery proves who sent it.
    pub signature: Signature,
    /// What tells two deliveries of the same event.
    pub deduplicate: Option<Source>,
    /// Whether deliveries are taken.
    pub enabled: bool,
}

/// What was received.
pub trait Delivery {
    /// The body: JSON, a form as an object of texts, or a text.
    fn body(&self) -> &Value;
    /// The value of a header; its name in lower case.
    fn header(&self, name: &str) -> Option<&str>;
    /// The value of that name in the query.
    fn query(&self, name: &str) -> Option<&str>;
}

fn find(delivery: &dyn Delivery, source: &Source) -> Option<Value> {
    match source {
        Source::Body(at) => delivery.body().pointer(at).cloned(),
        Source::Header(name) => delivery.header(name).map(Value::from),
        Source::Query(name) => delivery.query(name).map(Value::from),
    }
}

fn said(source: &Source) -> String {
    match source {
        Source::Body(at) if at.is_empty() => "the body".to_owned(),
        Source::Body(at) => format!("`{at}` of the body"),
        Source::Header(name) => format!("the header `{name}`"),
        Source::Query(name) => format!("`{name}` of the query"),
    }
}

impl Conversion {
    const WORDS: [(&'static str, Self); 5] = [
        ("string", Self::Text),
        ("integer", Self::Integer),
        ("number", Self::Number),
        ("boolean", Self::Boolean),
        ("json", Self::Json),
    ];

    fn word(self) -> &'static str {
        let found = Self::WORDS.iter().find(|(_, one)| *one == self);
        found.map_or("", |(word, _)| word)
    }

    /// The value that a text stands for.
    fn convert(self, value: Value) -> Option<Value> {
        let Value::String(text) = &value else {
            return Some(value);
        };
        let text = text.trim();
        match self {
            Self::Text => Some(value),
            Self::Integer => text.parse::<i64>().ok().map(Value::from),
            Self::Number => {
                let number: f64 = text.parse().ok()?;
                serde_json::Number::from_f64(number).map(Value::Number)
            }
            Self::Boolean => text.parse::<bool>().ok().map(Value::from),
            Self::Json => serde_json::from_str(text).ok(),
        }
    }
}

impl Webhook {
    /// What the document means, if nothing is wrong with it, and everything that is.
    pub fn read(document: &Map<String, Value>) -> (Option<Self>, Vec<Problem>) {
        let mut check = Check(Vec::new());
        check.keys("", document, &KEYS);
        let read = Self {
            application: check.text("", document, "application").unwrap_or_default(),
            params: check.params(document),
            mapping: check.mapping(document),
            body_parameter: check.text("", document, "body_parameter"),
            configuration: check.text("", document, "configuration"),
            queue: check.text("", document, "queue"),
            signature: check.signature(document).unwrap_or(Signature::None),
            deduplicate: check.deduplicate(document),
            enabled: check.flag("", document, "enabled", true),
        };
        check.text("", document, "description");
        if read.application.is_empty() && !document.contains_key("application") {
            check.wrong(
                "/application",
                "name the application that a delivery starts",
            );
        }
        if let Some(name) = &read.body_parameter {
            check.parameter("/body_parameter", name);
        }
        if let Some(header) = read.signature.header() {
            let uses = |source: &Source| matches!(source, Source::Header(name) if name == header);
            for mapped in read.mapping.iter().filter(|mapped| uses(&mapped.source)) {
                check.wrong(
                    format!("/mapping/{}/header", pointer(&mapped.parameter)),
                    "this header proves who sends: no parameter is made of it",
                );
            }
            if read.deduplicate.as_ref().is_some_and(uses) {
                check.wrong(
                    "/deduplicate/header",
                    "this header proves who sends: it tells no two deliveries",
                );
            }
        }
        (check.0.is_empty().then_some(read), check.0)
    }

    /// The parameters of the run that a delivery starts.
    ///
    /// # Errors
    /// Everything that it lacks; `at` is the parameter's name. No value of it is told.
    pub fn parameters(&self, delivery: &dyn Delivery) -> Result<Map<String, Value>, Vec<Problem>> {
        let mut params = self.params.clone();
        let mut problems = Vec::new();
        if let Some(name) = &self.body_parameter {
            params.insert(name.clone(), delivery.body().clone());
        }
        for mapped in &self.mapping {
            let Some(value) = find(delivery, &mapped.source) else {
                if mapped.required {
                    problems.push(Problem::error(
                        LACKS,
                        &mapped.parameter,
                        format!(
                            "the delivery has no {}",
                            said(&mapped.source).trim_start_matches("the ")
                        ),
                    ));
                }
                continue;
            };
            match mapped.conversion.convert(value) {
                Some(value) => {
                    params.insert(mapped.parameter.clone(), value);
                }
                None => problems.push(Problem::error(
                    LACKS,
                    &mapped.parameter,
                    format!(
                        "{} is no {}",
                        said(&mapped.source),
                        mapped.conversion.word()
                    ),
                )),
            }
        }
        if problems.is_empty() {
            Ok(params)
        } else {
            Err(problems)
        }
    }

    /// What tells this delivery from those of other events, as a text; `None` where the webhook
    /// tells none, or the delivery does not say.
    pub fn key(&self, delivery: &dyn Delivery) -> Option<String> {
        match find(delivery, self.deduplicate.as_ref()?)? {
            Value::String(text) => (!text.is_empty()).then_some(text),
            Value::Null => None,
            other => Some(other.to_string()),
        }
    }

    /// The headers that parameters and the key are made of.
    pub fn headers(&self) -> impl Iterator<Item = &str> {
        let sources = self.mapping.iter().map(|mapped| &mapped.source);
        sources
            .chain(&self.deduplicate)
            .filter_map(|source| match source {
                Source::Header(name) => Some(name.as_str()),
                _ => None,
            })
    }
}

/// What is wrong so far.
struct Check(Vec<Problem>);

impl Check {
    fn wrong(&mut self, at: impl Into<String>, message: impl Into<String>) {
        self.0.push(Problem::error(FAULT, at, message));
    }

    fn keys(&mut self, at: &str, map: &Map<String, Value>, known: &[&'static str]) {
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let hint = suggest::hint(key, known.iter().copied());
            self.wrong(
                format!("{at}/{}", pointer(key)),
                format!("`{key}` is no key of this{hint}"),
            );
        }
    }

    fn text(&mut self, at: &str, map: &Map<String, Value>, key: &str) -> Option<String> {
        match map.get(key) {
            None | Some(Value::Null) => None,
            Some(Value::String(text)) if text.trim().is_empty() => {
                self.wrong(format!("{at}/{key}"), "it is empty");
                None
            }
            Some(Value::String(text)) if text.contains('\0') => {
                self.wrong(format!("{at}/{key}"), "it holds a NUL character");
                None
            }
            Some(Value::String(text)) => Some(text.clone()),
            Some(other) => {
                let found = kind_of(other);
                self.wrong(format!("{at}/{key}"), format!("it is a text, not {found}"));
                None
            }
        }
    }

    fn flag(&mut self, at: &str, map: &Map<String, Value>, key: &str, otherwise: bool) -> bool {
        match map.get(key) {
            None | Some(Value::Null) => otherwise,
            Some(Value::Bool(flag)) => *flag,
            Some(other) => {
                let found = kind_of(other);
                self.wrong(
                    format!("{at}/{key}"),
                    format!("it is true or false, not {found}"),
                );
                otherwise
            }
        }
    }

    fn object<'d>(&mut self, at: &str, value: Option<&'d Value>) -> Option<&'d Map<String, Value>> {
        match value {
            None | Some(Value::Null) => None,
            Some(Value::Object(map)) => Some(map),
            Some(other) => {
                self.wrong(at, format!("it is an object, not {}", kind_of(other)));
                None
            }
        }
    }

    /// A name that the sender must not choose.
    fn parameter(&mut self, at: &str, name: &str) {
        if RESERVED.contains(&name) {
            self.wrong(
                at,
                format!(
                    "`{name}` steers the run, and is not the sender's to say; the webhook has `configuration` and `queue`"
                ),
            );
        }
    }

    fn params(&mut self, document: &Map<String, Value>) -> Map<String, Value> {
        let Some(params) = self.object("/params", document.get("params")) else {
            return Map::new();
        };
        for name in ["configuration", "queue"] {
            if params.contains_key(name) {
                self.wrong(
                    format!("/params/{name}"),
                    format!("say it as `{name}` of the webhook itself"),
                );
            }
        }
        params.clone()
    }

    fn mapping(&mut self, document: &Map<String, Value>) -> Vec<Mapped> {
        let mut all = Vec::new();
        let Some(mapping) = self.object("/mapping", document.get("mapping")) else {
            return all;
        };
        if mapping.len() > MAX_MAPPED {
            self.wrong("/mapping", format!("it has more than {MAX_MAPPED} entries"));
            return all;
        }
        for (name, entry) in mapping {
            let at = format!("/mapping/{}", pointer(name));
            self.parameter(&at, name);
            let Some(entry) = self.object(&at, Some(entry)) else {
                continue;
            };
            self.keys(&at, entry, &["body", "header", "query", "type", "required"]);
            let Some(source) = self.source(&at, entry) else {
                continue;
            };
            let word = self.text(&at, entry, "type");
            let conversion = match word.as_deref() {
                None => Some(Conversion::Text),
                Some(_) if matches!(source, Source::Body(_)) => {
                    self.wrong(
                        format!("{at}/type"),
                        "a value of the body keeps its type; `type` is for headers and the query",
                    );
                    None
                }
                Some(word) => {
                    let found = Conversion::WORDS.iter().find(|(known, _)| *known == word);
                    if found.is_none() {
                        let words = Conversion::WORDS.iter().map(|(word, _)| *word);
                        self.wrong(
                            format!("{at}/type"),
                            format!(
                                "it is one of {}, not `{word}`",
                                words.collect::<Vec<_>>().join(", ")
                            ),
                        );
                    }
                    found.map(|(_, conversion)| *conversion)
                }
            };
            let required = self.flag(&at, entry, "required", true);
            if let Some(conversion) = conversion {
                all.push(Mapped {
                    parameter: name.clone(),
                    source,
                    conversion,
                    required,
                });
            }
        }
        all
    }

    /// Exactly one of the places that a value can stand in.
    fn source(&mut self, at: &str, entry: &Map<String, Value>) -> Option<Source> {
        let given: Vec<&str> = ["body", "header", "query"]
            .into_iter()
            .filter(|key| entry.get(*key).is_some_and(|value| !value.is_null()))
            .collect();
        let [key] = given[..] else {
            self.wrong(
                at,
                "give one of `body` (a JSON pointer), `header` and `query`",
            );
            return None;
        };
        if key == "body" {
            let Some(text) = entry.get(key).and_then(Value::as_str) else {
                self.wrong(
                    format!("{at}/body"),
                    "it is a JSON pointer, such as `/event/id`",
                );
                return None;
            };
            if !text.is_empty() && !text.starts_with('/') {
                self.wrong(
                    format!("{at}/body"),
                    format!("`{text}` is no JSON pointer: it begins with `/`, or is empty for the whole body"),
                );
                return None;
            }
            return Some(Source::Body(text.to_owned()));
        }
        let name = self.text(at, entry, key)?;
        if key == "query" {
            return Some(Source::Query(name));
        }
        let name = self.header(&format!("{at}/header"), &name)?;
        if PROOFS.contains(&&*name) {
            self.wrong(
                format!("{at}/header"),
                format!("`{name}` proves who sends: nothing is made of it"),
            );
            return None;
        }
        Some(Source::Header(name))
    }

    fn header(&mut self, at: &str, name: &str) -> Option<String> {
        let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if name.len() > 100 || !name.bytes().all(is_token) {
            self.wrong(at, format!("`{name}` is no name of a header"));
            return None;
        }
        Some(name.to_ascii_lowercase())
    }

    fn deduplicate(&mut self, document: &Map<String, Value>) -> Option<Source> {
        let entry = self.object("/deduplicate", document.get("deduplicate"))?;
        self.keys("/deduplicate", entry, &["body", "header", "query"]);
        self.source("/deduplicate", entry)
    }

    fn signature(&mut self, document: &Map<String, Value>) -> Option<Signature> {
        const AT: &str = "/signature";
        const SCHEMES: &str =
            "`hmac-sha256`, `stripe`, `token`, or `none`, which believes whoever knows the address";
        let missing = document.get("signature").is_none_or(Value::is_null);
        if missing {
            self.wrong(
                AT,
                format!("say how a delivery proves who sent it: `scheme` is {SCHEMES}"),
            );
            return None;
        }
        let entry = self.object(AT, document.get("signature"))?;
        let Some(scheme) = self.text(AT, entry, "scheme") else {
            if !entry.contains_key("scheme") {
                self.wrong("/signature/scheme", format!("it is {SCHEMES}"));
            }
            return None;
        };
        match scheme.as_str() {
            "none" => {
                self.keys(AT, entry, &["scheme"]);
                Some(Signature::None)
            }
            "token" => {
                self.keys(AT, entry, &["scheme", "header", "prefix"]);
                Some(Signature::Token {
                    header: self.proof(entry, None)?,
                    prefix: self.prefix(entry),
                })
            }
            "stripe" => {
                self.keys(AT, entry, &["scheme", "header", "tolerance_seconds"]);
                Some(Signature::Stripe {
                    header: self.proof(entry, Some("stripe-signature"))?,
                    tolerance: self.tolerance(entry),
                })
            }
            "hmac-sha256" => self.hmac(entry),
            other => {
                self.wrong(
                    "/signature/scheme",
                    format!("`{other}` is none: it is {SCHEMES}"),
                );
                None
            }
        }
    }

    fn hmac(&mut self, entry: &Map<String, Value>) -> Option<Signature> {
        const AT: &str = "/signature";
        let known = [
            "scheme",
            "header",
            "prefix",
            "encoding",
            "timestamp_header",
            "tolerance_seconds",
            "signed",
        ];
        self.keys(AT, entry, &known);
        let encoding = match self.text(AT, entry, "encoding").as_deref() {
            None | Some("hex") => Encoding::Hex,
            Some("base64") => Encoding::Base64,
            Some(other) => {
                self.wrong(
                    "/signature/encoding",
                    format!("it is `hex` or `base64`, not `{other}`"),
                );
                return None;
            }
        };
        let timestamp = self.text(AT, entry, "timestamp_header");
        let signed = self.text(AT, entry, "signed");
        let tolerance = self.tolerance(entry);
        let timed = if let Some(name) = timestamp {
            Some(Timed {
                header: self.header("/signature/timestamp_header", &name)?,
                tolerance,
                signed: signed.unwrap_or_else(|| SIGNED.to_owned()),
            })
        } else {
            for key in ["tolerance_seconds", "signed"] {
                if entry.contains_key(key) {
                    self.wrong(
                        format!("{AT}/{key}"),
                        "it means something only with `timestamp_header`",
                    );
                }
            }
            None
        };
        if let Some(timed) = &timed
            && ["{timestamp}", "{body}"]
                .iter()
                .any(|part| timed.signed.matches(part).count() != 1)
        {
            self.wrong(
                "/signature/signed",
                "it is what the sender signs: a text with `{timestamp}` and `{body}`, each once",
            );
        }
        Some(Signature::HmacSha256 {
            header: self.proof(entry, None)?,
            prefix: self.prefix(entry),
            encoding,
            timed,
        })
    }

    fn prefix(&mut self, entry: &Map<String, Value>) -> String {
        match entry.get("prefix") {
            None | Some(Value::Null) => String::new(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                let found = kind_of(other);
                self.wrong("/signature/prefix", format!("it is a text, not {found}"));
                String::new()
            }
        }
    }

    fn proof(&mut self, entry: &Map<String, Value>, usual: Option<&str>) -> Option<String> {
        match (self.text("/signature", entry, "header"), usual) {
            (Some(name), _) => self.header("/signature/header", &name),
            (None, Some(usual)) => Some(usual.to_owned()),
            (None, None) => {
                if !entry.contains_key("header") {
                    self.wrong(
                        "/signature/header",
                        "name the header that holds it, such as `x-hub-signature-256`",
                    );
                }
                None
            }
        }
    }

    fn tolerance(&mut self, entry: &Map<String, Value>) -> i64 {
        match entry.get("tolerance_seconds") {
            None | Some(Value::Null) => TOLERANCE,
            Some(value) => match value.as_u64() {
                Some(seconds) if (1..=MAX_TOLERANCE).contains(&seconds) => seconds as i64,
                _ => {
                    self.wrong(
                        "/signature/tolerance_seconds",
                        format!("it is a whole number of seconds from 1 to {MAX_TOLERANCE}"),
                    );
                    TOLERANCE
                }
            },
        }
    }
}

#[cfg(test)]
#[path = "webhook_tests.rs"]
mod tests;
