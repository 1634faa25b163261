//! The query of an address, checked against what the endpoint documents, so that what is
//! wrong is told in our words: which parameter, what was given, what is allowed.

use axum::http::Uri;
use model::suggest;
use serde::de::DeserializeOwned;
use url::form_urlencoded;
use utoipa::{
    IntoParams,
    openapi::{
        RefOr, Required, Schema,
        path::Parameter,
        schema::{SchemaType, Type},
    },
};

use crate::problem::Problem;

/// Reads the query of `uri`.
///
/// # Errors
/// A refusal that names the parameter.
pub(crate) fn read<T: DeserializeOwned + IntoParams>(uri: &Uri) -> Result<T, Problem> {
    let known = T::into_params(|| None);
    let text = uri.query().unwrap_or_default();
    let mut seen: Vec<String> = Vec::new();
    let mut faults: Vec<(String, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        if seen.iter().any(|one| *one == name) {
            let told = faults.iter().any(|(at, _)| *at == name);
            if !told {
                faults.push((name.into_owned(), "it is given twice".to_owned()));
            }
            continue;
        }
        match known.iter().find(|one| one.name == name) {
            None => faults.push((name.to_string(), unknown(&name, &known))),
            Some(parameter) => {
                if let Some(wanted) = misfit(parameter, &value) {
                    let given: String = value.chars().take(60).collect();
                    let message = format!("`{given}` is no such value; give {wanted}");
                    faults.push((name.to_string(), message));
                }
            }
        }
        seen.push(name.into_owned());
    }
    let lacking = known
        .iter()
        .filter(|one| matches!(one.required, Required::True) && !seen.contains(&one.name));
    faults.extend(lacking.map(|lacking| {
        let message = format!("it is missing; write ?{}=… after the address", lacking.name);
        (lacking.name.clone(), message)
    }));
    if !faults.is_empty() {
        return Err(Problem::unreadable_all(faults));
    }
    axum::extract::Query::<T>::try_from_uri(uri)
        .map(|query| query.0)
        .map_err(|rejection| {
            tracing::debug!(error = rejection.body_text(), "a query could not be read");
            Problem::unreadable(format!("the query `{text}` cannot be read"))
        })
}

fn unknown(name: &str, known: &[Parameter]) -> String {
    let names = || known.iter().map(|one| one.name.as_str());
    if known.is_empty() {
        "this address takes no parameter of that name, nor any other".to_owned()
    } else {
        let hint = suggest::hint(name, names());
        let all: Vec<_> = names().map(|one| format!("`{one}`")).collect();
        format!(
            "this address takes no parameter of that name{} It takes {}",
            if hint.is_empty() { "." } else { &hint },
            all.join(", ")
        )
    }
}

/// What the parameter takes, when that is not `value`.
fn misfit(parameter: &Parameter, value: &str) -> Option<String> {
    let Some(RefOr::T(Schema::Object(schema))) = &parameter.schema else {
        return None;
    };
    let kind = match &schema.schema_type {
        SchemaType::Type(kind) => kind,
        SchemaType::Array(kinds) => kinds.iter().find(|kind| **kind != Type::Null)?,
        SchemaType::AnyValue => return None,
    };
    let bound = |bound: &Option<utoipa::Number>| bound.as_ref().map(number);
    let range = match (bound(&schema.minimum), bound(&schema.maximum)) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(", {least} or more"),
        (None, Some(most)) => format!(", at most {most}"),
        (None, None) => String::new(),
    };
    match kind {
        Type::Integer => value
            .parse::<usize>()
            .is_err()
            .then(|| format!("a whole number{range}")),
        Type::Number => value
            .parse::<f64>()
            .is_err()
            .then(|| format!("a number{range}, such as 20 or 0.5")),
        Type::Boolean => {
            (!matches!(value, "true" | "false")).then(|| "`true` or `false`".to_owned())
        }
        _ => None,
    }
}

fn number(number: &utoipa::Number) -> String {
    match number {
        utoipa::Number::Int(number) => number.to_string(),
        utoipa::Number::UInt(number) => number.to_string(),
        utoipa::Number::Float(number) => number.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize, IntoParams)]
    #[serde(deny_unknown_fields)]
    #[into_params(parameter_in = Query)]
    struct Asked {
        /// How many.
        #[param(minimum = 1, maximum = 200)]
        limit: Option<usize>,
        /// How long.
        #[param(minimum = 0)]
        wait: Option<f64>,
        /// Whether.
        #[serde(default)]
        meta: bool,
        /// Which.
        prefix: String,
    }

    #[test]
    fn what_is_wrong_with_a_query_is_in_our_words() {
        let read = |query: &str| read::<Asked>(&format!("/x?{query}").parse().unwrap());
        let fine = read("prefix=a%20b&limit=7&wait=0.5&meta=true").unwrap();
        assert_eq!(
            (fine.limit, fine.wait, fine.meta, &*fine.prefix),
            (Some(7), Some(0.5), true, "a b")
        );
        for (query, words) in [
            (
                "prefix=&limit=abc",
                "`limit`: `abc` is no such value; give a whole number from 1 to 200",
            ),
            ("prefix=&limit=-1", "give a whole number from 1 to 200"),
            ("prefix=&limit=", "`` is no such value"),
            (
                "prefix=&wait=abc",
                "give a number, 0 or more, such as 20 or 0.5",
            ),
            ("prefix=&meta=yes", "give `true` or `false`"),
            (
                "limit=1",
                "`prefix`: it is missing; write ?prefix=… after the address",
            ),
            ("prefix=a&prefix=b", "given twice"),
            (
                "prefix=a&limt=1",
                "did you mean `limit`? It takes `limit`, `wait`",
            ),
            ("prefix=a&zzz=1", "of that name. It takes"),
        ] {
            let problem = read(query).unwrap_err();
            assert_eq!(problem.status(), 400, "{query}");
            let text = String::from_utf8(problem.document("/", "1")).unwrap();
            assert!(text.contains(words), "{query}: {text}");
        }
        // All at once, as bodies are told.
        let problem = read("limit=abc&zzz=1&zzz=2&wait=x").unwrap_err();
        let told: serde_json::Value = serde_json::from_slice(&problem.document("/", "1")).unwrap();
        let at: Vec<_> = told["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["at"].as_str().unwrap())
            .collect();
        assert_eq!(at, ["limit", "zzz", "wait", "prefix"], "{told}");
        let detail = told["detail"].as_str().unwrap();
        assert!(
            detail.starts_with("`limit`: `abc`") && detail.ends_with("; 3 more faults in `errors`"),
            "{told}"
        );
    }
}
