//! Operators: entries of `steps` that are no step of a SyncPack of their own. A condition
//! chooses between branches, a transform shapes data with a template. Both execute as
//! steps of the built-in SyncPack [`PACK`]; what they are given is made here and in the
//! compiler, and is nobody else's affair. A delay, an approval and a wait for a webhook
//! execute nothing: their step waits.

use serde_json::{Map, Value};

use crate::{flow::Route, id::Ordinal, reference::Template};

/// The built-in SyncPack that executes operators. Nobody else's may have the name.
pub const PACK: &str = "flow_control";
/// The key of an entry that says which operator it is.
pub const KEY: &str = "operator";
/// A condition's branches.
pub const BRANCHES: &str = "branches";
/// A transform's template.
pub const TEMPLATE: &str = "template";
/// What a transform makes of the text that its template renders to.
pub const OUTPUT: &str = "output";
/// How long a delay waits.
pub const SECONDS: &str = "seconds";
/// The longest delay, in seconds: a year.
pub const LONGEST_DELAY: f64 = 31_536_000.0;
/// What an approval asks.
pub const QUESTION: &str = "question";
/// Who may decide.
pub const APPROVERS: &str = "approvers";
/// How many an approval can name.
pub const MOST_APPROVERS: usize = 100;
/// The key that a webhook names to reach a step which waits for it.
pub const SIGNAL: &str = "key";
/// The longest such key, in bytes.
pub const LONGEST_KEY: usize = 255;
/// How long somebody has for an answer.
pub const WITHIN: &str = "within";
/// What becomes of the step when nobody has answered in time.
pub const ON_TIMEOUT: &str = "on_timeout";
/// The keys of a branch.
pub const BRANCH_KEYS: [&str; 4] = ["label", "when", "steps", "description"];
/// How deep a condition may nest.
pub const MAX_NESTING: usize = 64;
/// What a reference in a template is called in the text that the template engine reads.
pub const REFERENCE: &str = "__ref";
/// The filter that writes a reference outside of code as text.
pub const AS_TEXT: &str = "__text";

/// Which operator an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Operator {
    /// Chooses a branch.
    Condition,
    /// Makes data with a template.
    Transform,
    /// Lets time pass.
    Delay,
    /// Asks a person.
    Approval,
    /// Waits for a message from outside.
    Webhook,
}

impl Operator {
    /// Every operator.
    pub const ALL: [Self; 5] = [
        Self::Condition,
        Self::Transform,
        Self::Delay,
        Self::Approval,
        Self::Webhook,
    ];

    /// The word in documents.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Condition => "condition",
            Self::Transform => "transform",
            Self::Delay => "delay",
            Self::Approval => "approval",
            Self::Webhook => "wait_for_webhook",
        }
    }

    /// The step of [`PACK`] that executes it; of one that only waits, a name that none has.
    pub const fn file(self) -> &'static str {
        match self {
            Self::Condition => "Condition",
            Self::Transform => "Transform",
            Self::Delay => "Delay",
            Self::Approval => "Approval",
            Self::Webhook => "WaitForWebhook",
        }
    }

    /// The key that makes an entry this operator.
    pub const fn body(self) -> &'static str {
        match self {
            Self::Condition => BRANCHES,
            Self::Transform => TEMPLATE,
            Self::Delay => SECONDS,
            Self::Approval => QUESTION,
            Self::Webhook => SIGNAL,
        }
    }

    /// The keys that only an entry of this operator has.
    pub const fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Condition => &[BRANCHES],
            Self::Transform => &[TEMPLATE, OUTPUT],
            Self::Delay => &[SECONDS],
            Self::Approval => &[QUESTION, APPROVERS, WITHIN, ON_TIMEOUT],
            Self::Webhook => &[SIGNAL, WITHIN, ON_TIMEOUT],
        }
    }

    /// Whether its step only waits: nothing of a SyncPack executes.
    pub const fn only_waits(self) -> bool {
        matches!(self, Self::Delay | Self::Approval | Self::Webhook)
    }

    /// The words that `on_timeout` has for it.
    pub const fn timeouts(self) -> &'static [&'static str] {
        match self {
            Self::Approval => &["fail", "approve", "reject"],
            _ => &["fail", "continue"],
        }
    }

    /// The operator of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.word() == word)
    }

    /// The operator that an entry of `steps` is. An entry that names a step (`file`) is
    /// none: that step may have a parameter of this name. Nor is one without its
    /// [`Operator::body`]: it may be an operator of the predecessor.
    pub fn of(entry: &Map<String, Value>) -> Option<Self> {
        let no_step = entry
            .get("file")
            .is_none_or(|file| file.is_null() || file.as_str() == Some(""));
        let word = entry.get(KEY).filter(|_| no_step)?.as_str()?;
        Self::from_word(word).filter(|operator| entry.contains_key(operator.body()))
    }
}

/// An operator of a plan.
#[derive(Clone, Debug)]
pub struct PlannedOperator {
    /// Which one.
    pub operator: Operator,
    /// What its step is called with: an object.
    pub parameters: Template,
    /// Where a condition leads; nothing for a transform.
    pub routing: Option<Routing>,
}

/// Whether a delay may have so many seconds.
pub fn is_delay(seconds: f64) -> bool {
    (0.0..=LONGEST_DELAY).contains(&seconds)
}

impl PlannedOperator {
    /// Whether a reference that leads to nothing is null instead of an error.
    pub fn is_lenient(&self) -> bool {
        self.operator == Operator::Condition
    }
}

/// Where a condition leads.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Routing {
    /// Steps that follow whatever is chosen.
    pub always: Vec<Ordinal>,
    /// The steps of each branch, in the order of the document.
    pub branches: Vec<Vec<Ordinal>>,
}

impl Routing {
    /// The way on when that branch was chosen; `None`: no branch. Nothing when there is no
    /// such branch.
    pub fn route(&self, branch: Option<usize>) -> Option<Route> {
        let mut taken = self.always.clone();
        if let Some(branch) = branch {
            for step in self.branches.get(branch)? {
                if !taken.contains(step) {
                    taken.push(*step);
                }
            }
        }
        Some(Route::Only(taken))
    }

    /// The same from the data of the condition's step, `{"index": 0, …}`.
    pub fn route_of(&self, data: &str) -> Option<Route> {
        let data: Value = serde_json::from_str(data).ok()?;
        match data.get("index")? {
            Value::Null => self.route(None),
            index => self.route(Some(usize::try_from(index.as_u64()?).ok()?)),
        }
    }
}

/// An entry of a condition's `branches`.
#[derive(Clone, Copy, Debug)]
pub struct Branch<'a> {
    /// Its place.
    pub index: usize,
    /// The entry.
    pub entry: &'a Map<String, Value>,
}

/// The branches of an entry that are objects, with their index; none for an entry that is
/// no condition.
pub fn branches(entry: &Map<String, Value>) -> impl Iterator<Item = Branch<'_>> {
    let list = entry
        .get(BRANCHES)
        .filter(|_| Operator::of(entry) == Some(Operator::Condition))
        .and_then(Value::as_array);
    list.into_iter()
        .flatten()
        .enumerate()
        .filter_map(|(index, value)| {
            Some(Branch {
                index,
                entry: value.as_object()?,
            })
        })
}

impl<'a> Branch<'a> {
    /// The names of its steps, with their index.
    pub fn steps(self) -> impl Iterator<Item = (usize, &'a str)> {
        let list = self.entry.get("steps").and_then(Value::as_array);
        list.into_iter()
            .flatten()
            .enumerate()
            .filter_map(|(at, name)| Some((at, name.as_str()?)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_entry_that_names_a_step_is_no_operator() {
        let of = |entry: Value| Operator::of(entry.as_object().unwrap());
        let condition = Some(Operator::Condition);
        assert_eq!(of(json!({"operator": "condition"})), None);
        assert_eq!(
            of(json!({"operator": "condition", "branches": []})),
            condition
        );
        assert_eq!(
            of(json!({"operator": "condition", "branches": 1, "file": null})),
            condition
        );
        assert_eq!(
            of(json!({"operator": "transform", "template": "", "file": "Filter"})),
            None
        );
        assert_eq!(of(json!({"operator": "loop"})), None);
        assert_eq!(of(json!({"operator": 1})), None);
    }

    #[test]
    fn a_condition_leads_to_its_branch_and_what_always_follows() {
        let routing = Routing {
            always: vec![Ordinal(9)],
            branches: vec![vec![Ordinal(1), Ordinal(9)], vec![]],
        };
        let only = |steps: &[u32]| Some(Route::Only(steps.iter().copied().map(Ordinal).collect()));
        assert_eq!(routing.route_of(r#"{"index":0}"#), only(&[9, 1]));
        assert_eq!(routing.route_of(r#"{"index":1}"#), only(&[9]));
        assert_eq!(routing.route_of(r#"{"index":null}"#), only(&[9]));
        for wrong in [r#"{"index":2}"#, r#"{"index":-1}"#, "{}", "x", "null"] {
            assert_eq!(routing.route_of(wrong), None, "{wrong}");
        }
    }
}
