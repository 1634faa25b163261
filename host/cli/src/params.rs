//! Parameters of runs on the command line.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Map, Value};

use crate::{failure::Failure, file};

/// Parameters of a run.
#[derive(Debug, Default, Args)]
pub(crate) struct Params {
    /// A parameter; the value is JSON if it reads as such, else text. Write '"5"' for
    /// the text 5. May be repeated; wins over --params
    #[arg(long = "param", short = 'p', value_name = "NAME=VALUE")]
    pub(crate) one: Vec<String>,
    /// A file with a JSON object of parameters, or - for stdin
    #[arg(long = "params", value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
}

impl Params {
    /// All parameters together.
    pub(crate) fn read(&self) -> Result<Map<String, Value>, Failure> {
        let mut all = match &self.file {
            None => Map::new(),
            Some(path) => {
                let (_, value) = file::json(path)?;
                match value {
                    Value::Object(map) => map,
                    _ => {
                        return Err(Failure::local(format!(
                            "`{}` holds no JSON object; write {{\"name\": value, …}}",
                            path.display()
                        )));
                    }
                }
            }
        };
        for text in &self.one {
            let (name, value) = pair("--param", text)?;
            all.insert(name, value);
        }
        Ok(all)
    }
}

/// The name and the value in `name=value`, an argument of that option.
pub(crate) fn pair(option: &str, text: &str) -> Result<(String, Value), Failure> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            let typed =
                serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
            Ok((name.to_owned(), typed))
        }
        _ => Err(Failure::usage(format!(
            "`{text}` is no parameter; write {option} name=value"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_typed() {
        for (text, name, value) in [
            ("a=1", "a", json!(1)),
            ("a=1.50", "a", json!(1.5)),
            ("a=true", "a", json!(true)),
            ("a=null", "a", json!(null)),
            ("a=\"5\"", "a", json!("5")),
            ("a=[1, 2]", "a", json!([1, 2])),
            ("a={\"b\": 1}", "a", json!({"b": 1})),
            ("a=text", "a", json!("text")),
            ("a=", "a", json!("")),
            ("a=b=c", "a", json!("b=c")),
            ("größe=ü", "größe", json!("ü")),
            ("a=007", "a", json!("007")),
            ("a={", "a", json!("{")),
        ] {
            assert_eq!(
                pair("-p", text).unwrap(),
                (name.to_owned(), value),
                "{text}"
            );
        }
        assert!(pair("-p", "a").is_err() && pair("-p", "=1").is_err());
    }

    #[test]
    fn single_parameters_win_over_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("p.json");
        fs::write(&path, "{\"a\": 1, \"b\": 2}").unwrap();
        let params = Params {
            one: vec!["b=3".to_owned()],
            file: Some(path.clone()),
        };
        assert_eq!(
            Value::Object(params.read().unwrap()),
            json!({"a": 1, "b": 3})
        );
        fs::write(&path, "[]").unwrap();
        assert!(params.read().is_err());
    }
}
