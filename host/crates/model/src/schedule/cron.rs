//! Cron expressions: five fields, as one text or each by itself.
//!
//! The library that searches for occurrences (croner) would look for years where a field
//! allows nothing, and words its refusals for programmers. So each field is read here first.

use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};
use serde_json::{Value, json};

/// A field of a cron expression.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    /// Its key in the predecessor's form.
    pub(crate) key: &'static str,
    /// What it is for a person.
    word: &'static str,
    least: u32,
    most: u32,
    /// Names of values, the first for `least`.
    names: &'static [&'static str],
}

/// The fields in the order of an expression.
pub(crate) const FIELDS: [Field; 5] = [
    Field {
        key: "minute",
        word: "minute",
        least: 0,
        most: 59,
        names: &[],
    },
    Field {
        key: "hour",
        word: "hour",
        least: 0,
        most: 23,
        names: &[],
    },
    Field {
        key: "day_of_month",
        word: "day of the month",
        least: 1,
        most: 31,
        names: &[],
    },
    Field {
        key: "month_of_year",
        word: "month",
        least: 1,
        most: 12,
        names: &[
            "january",
            "february",
            "march",
            "april",
            "may",
            "june",
            "july",
            "august",
            "september",
            "october",
            "november",
            "december",
        ],
    },
    Field {
        key: "day_of_week",
        word: "day of the week",
        least: 0,
        // 7 is Sunday as well.
        most: 7,
        names: &[
            "sunday",
            "monday",
            "tuesday",
            "wednesday",
            "thursday",
            "friday",
            "saturday",
        ],
    },
];

const NICKNAMES: [(&str, &str); 6] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];

/// The fields of an expression, or what is wrong with it.
pub(crate) fn split(expression: &str) -> Result<[&str; 5], String> {
    let expression = expression.trim();
    let nickname = NICKNAMES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(expression));
    let expression = nickname.map_or(expression, |(_, fields)| *fields);
    let fields: Vec<&str> = expression.split_whitespace().collect();
    <[&str; 5]>::try_from(fields).map_err(|fields| {
        let names: Vec<_> = NICKNAMES.iter().map(|(name, _)| *name).collect();
        format!(
            "a cron expression has five fields (minute, hour, day of the month, month, day of the week), `{expression}` has {}; or it is one of {}",
            fields.len(),
            names.join(", ")
        )
    })
}

/// The predecessor's form of an expression.
pub(crate) fn as_fields(expression: &str) -> Value {
    let texts = split(expression).unwrap_or(["*"; 5]);
    let mut info = json!({});
    for (field, text) in FIELDS.iter().zip(texts) {
        info[field.key] = text.into();
    }
    json!({"schedule_type": "crontab", "schedule_info": info})
}

/// One field in the form that the library reads.
pub(crate) fn field(field: &Field, text: &str) -> Result<String, String> {
    let text = text.trim();
    let wrong = |why: String| format!("`{text}` is no {}: {why}", field.word);
    if text.is_empty() {
        return Err(wrong("it is empty; `*` means every one".to_owned()));
    }
    let mut entries = Vec::new();
    for entry in text.split(',') {
        entries.push(field.entry(entry.trim()).map_err(wrong)?);
    }
    let normal = entries.join(",");
    // What is special for some fields (L, W, #) the library knows.
    let mut alone = ["*"; 5];
    if let Some(place) = FIELDS.iter().position(|one| one.key == field.key) {
        alone[place] = &normal;
    }
    parser(false)
        .parse(&alone.join(" "))
        .map_err(|error| wrong(error.to_string()))?;
    Ok(normal)
}

impl Field {
    fn entry(&self, entry: &str) -> Result<String, String> {
        if entry.is_empty() {
            return Err("there is nothing between two commas, or beside one".to_owned());
        }
        let (range, step) = match entry.split_once('/') {
            Some((range, step)) => {
                let wrong = || format!("`{step}` after `/` must be a whole number from 1");
                let step: u32 = step.parse().map_err(|_| wrong())?;
                if step == 0 {
                    return Err(wrong());
                }
                (range, Some(step))
            }
            None => (entry, None),
        };
        let suffix = step.map_or_else(String::new, |step| format!("/{step}"));
        if range == "*" || range == "?" {
            return Ok(format!("*{suffix}"));
        }
        if let Some((first, last)) = range.split_once('-') {
            let (first, last) = (self.value(first)?, self.value(last)?);
            return Ok(if first <= last {
                format!("{first}-{last}{suffix}")
            } else {
                self.around(first, last, step.unwrap_or(1))
            });
        }
        if step.is_some() {
            return Err(format!(
                "write `*/{0}` for every {0}, or a range such as `{1}-{2}/{0}`",
                step.unwrap_or(1),
                self.least,
                self.most
            ));
        }
        match self.value(range) {
            Ok(value) => Ok(value.to_string()),
            // L, 15W, 5#2, 5L: for the library, with the number of a named day.
            Err(error) => self.special(range).ok_or(error),
        }
    }

    /// A range that goes over the end, such as `22-4` or `fri-mon`, as a list.
    fn around(&self, first: u32, last: u32, step: u32) -> String {
        let most = if self.names.len() == 7 { 6 } else { self.most };
        let all = (first..=most).chain(self.least..=last);
        let texts: Vec<String> = all
            .step_by(step as usize)
            .map(|one| one.to_string())
            .collect();
        texts.join(",")
    }

    fn value(&self, text: &str) -> Result<u32, String> {
        if let Ok(number) = text.parse::<u32>()
            && text.bytes().all(|byte| byte.is_ascii_digit())
        {
            return if (self.least..=self.most).contains(&number) {
                Ok(number)
            } else {
                Err(format!(
                    "{number} is not from {} to {}",
                    self.least, self.most
                ))
            };
        }
        let text = text.to_ascii_lowercase();
        let named = self.names.iter().position(|name| {
            text.len() >= 3 && name.starts_with(&text) && (text.len() == 3 || text == **name)
        });
        named
            .map(|place| place as u32 + self.least)
            .ok_or_else(|| format!("`{text}` is not understood"))
    }

    fn special(&self, text: &str) -> Option<String> {
        let text = text.to_ascii_uppercase();
        match self.key {
            "day_of_month" if text.ends_with('W') || text == "L" => Some(text),
            "day_of_week" => {
                let cut = text.find(['#', 'L'])?;
                let day = self.value(&text[..cut]).ok()?;
                Some(format!("{day}{}", &text[cut..]))
            }
            _ => None,
        }
    }
}

/// The schedule of five fields in the library's form. `both`: a day must fit both day
/// fields, as the predecessor has it; otherwise one of those that are restricted suffices,
/// as cron has it.
pub(crate) fn compile(fields: &[String; 5], both: bool) -> Result<Cron, String> {
    parser(both)
        .parse(&fields.join(" "))
        .map_err(|error| error.to_string())
}

fn parser(both: bool) -> CronParser {
    CronParser::builder()
        .seconds(Seconds::Disallowed)
        .year(Year::Disallowed)
        .dom_and_dow(both)
        .build()
}
