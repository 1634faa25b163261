//! Figures, and what measuring them shares.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::{Value, json};

/// Whether more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Better {
    More,
    Less,
}

/// What bounds a figure, in its unit.
#[derive(Clone, Debug)]
pub(crate) struct Limit {
    pub(crate) name: String,
    pub(crate) value: f64,
}

/// A measured figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) name: &'static str,
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    pub(crate) better: Better,
    pub(crate) limit: Option<Limit>,
}

impl Figure {
    /// How near it comes to its limit: 1 is there.
    fn ratio(&self) -> Option<f64> {
        let limit = self.limit.as_ref()?.value;
        let (part, whole) = match self.better {
            Better::More => (self.value, limit),
            Better::Less => (limit, self.value),
        };
        (whole > 0.0).then_some(part / whole)
    }

    pub(crate) fn json(&self, backend: &str) -> Value {
        json!({
            "name": self.name,
            "backend": backend,
            "value": self.value,
            "unit": self.unit,
            "limit": self.limit.as_ref().map(|limit| limit.value),
            "limit_name": self.limit.as_ref().map(|limit| limit.name.as_str()),
            "ratio": self.ratio(),
        })
    }
}

/// A measurement under way.
pub(crate) struct Bench {
    pub(crate) quick: bool,
    pub(crate) figures: Vec<Figure>,
    /// What a reader has to know about the figures.
    pub(crate) notes: Vec<String>,
    /// What one layer costs, for limits of those above: calls or commits per second, CPU-ms.
    pub(crate) costs: HashMap<&'static str, f64>,
}

impl Bench {
    pub(crate) fn new(quick: bool) -> Self {
        Self {
            quick,
            figures: Vec::new(),
            notes: Vec::new(),
            costs: HashMap::new(),
        }
    }

    /// How often each figure is measured.
    pub(crate) fn rounds(&self) -> usize {
        if self.quick { 1 } else { 3 }
    }

    /// An amount of work, less of it when in a hurry.
    pub(crate) fn amount(&self, full: usize) -> usize {
        if self.quick { full / 10 } else { full }
    }

    /// How long a rate is measured.
    pub(crate) fn time(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { 3 })
    }

    pub(crate) fn add(
        &mut self,
        name: &'static str,
        value: f64,
        unit: &'static str,
        better: Better,
        limit: Option<(&str, f64)>,
    ) {
        let limit = limit.map(|(name, value)| Limit {
            name: name.to_owned(),
            value,
        });
        self.figures.push(Figure {
            name,
            value,
            unit,
            better,
            limit,
        });
    }

    pub(crate) fn note(&mut self, text: impl Into<String>) {
        let text = text.into();
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// What a layer costs; measures it when nobody has yet.
    pub(crate) fn cost(
        &mut self,
        name: &'static str,
        measure: fn(&mut Self) -> anyhow::Result<()>,
    ) -> anyhow::Result<f64> {
        if !self.costs.contains_key(name) {
            measure(self)?;
        }
        Ok(self.costs.get(name).copied().unwrap_or_default())
    }
}

/// The middle one; of an even number the lower of both.
pub(crate) fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count => values[(count - 1) / 2],
    }
}

/// The value below which a share of all lies.
pub(crate) fn percentile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    match values.len() {
        0 => 0.0,
        count => values[(((count as f64) * share).ceil() as usize).clamp(1, count) - 1],
    }
}

pub(crate) fn table(figures: &[&Figure]) -> String {
    let mut text = format!(
        "{:<24} {:>12} {:<9} {:>12}  {:>5}  limit\n",
        "rung", "value", "unit", "limit", "ratio"
    );
    for figure in figures {
        let ratio = figure
            .ratio()
            .map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
        let (limit, name) = match &figure.limit {
            Some(limit) => (number(limit.value), limit.name.as_str()),
            None => ("-".to_owned(), ""),
        };
        let line = format!(
            "{:<24} {:>12} {:<9} {limit:>12}  {ratio:>5}  {name}",
            figure.name,
            number(figure.value),
            figure.unit
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn number(value: f64) -> String {
    match value.abs() {
        size if size >= 1000.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.3}"),
    }
}
