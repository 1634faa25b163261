//! Transforms: data in, template, data out.

use powerflow_sdk::prelude::*;
use serde_json::value::RawValue;

use crate::{
    data::Data,
    template::{self, Template},
};

/// Makes data with a Jinja template. The operator `transform` of an application.
#[derive(Step)]
#[step(name = "Transform", friendly_name = "Transform", version = "1.0.0")]
pub struct Transform {
    /// The template and the references in it.
    template: Template,
    /// What becomes of the text: JSON or text; `auto` takes JSON where it is.
    #[param(default = "auto", choices = ["auto", "json", "text"])]
    output: String,
    /// The names of the connected steps.
    #[param(default = Vec::<String>::new())]
    connected: Vec<String>,
}

impl Execute for Transform {
    fn execute(&self, cx: &mut Context) -> Result<Output> {
        let data = Data::of(cx, &self.connected)?;
        let text = template::render(&self.template, &data)?;
        if self.output == "text" {
            return Output::json(&text);
        }
        match serde_json::from_str::<&RawValue>(text.trim()) {
            Ok(json) => Output::json(&json),
            Err(_) if self.output == "auto" => Output::json(&text),
            Err(error) => Err(Error::permanent(format!(
                "the template made no JSON: {error}; `tojson` writes values as JSON"
            ))
            .with_code("template-json")),
        }
    }
}
