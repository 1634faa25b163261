//! Reading of `#[step(…)]`, `#[param(…)]` and doc comments.

use syn::{Attribute, Expr, ExprLit, Lit, LitBool, LitStr, Meta, Token, parse::ParseStream};

/// The types of parameters.
const KINDS: [&str; 8] = [
    "string", "integer", "number", "boolean", "array", "object", "any", "secret",
];

/// What `#[step(…)]` says.
#[derive(Default)]
pub(crate) struct StepOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) friendly_name: Option<LitStr>,
    pub(crate) version: Option<LitStr>,
    pub(crate) kind: Option<LitStr>,
    pub(crate) idempotent: Option<LitBool>,
    pub(crate) output_schema: Option<Expr>,
}

/// What `#[param(…)]` says.
#[derive(Default)]
pub(crate) struct ParamOptions {
    pub(crate) name: Option<LitStr>,
    pub(crate) kind: Option<LitStr>,
    pub(crate) required: bool,
    pub(crate) default: Option<Expr>,
    pub(crate) sample: Option<Expr>,
    pub(crate) choices: Option<Expr>,
}

impl StepOptions {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|it| it.path().is_ident("step")) {
            attribute.parse_nested_meta(|meta| {
                let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                match key.as_str() {
                    "name" => options.name = Some(meta.value()?.parse()?),
                    "friendly_name" => options.friendly_name = Some(meta.value()?.parse()?),
                    "version" => options.version = Some(meta.value()?.parse()?),
                    "kind" => options.kind = Some(meta.value()?.parse()?),
                    "idempotent" => options.idempotent = Some(meta.value()?.parse()?),
                    "output_schema" => options.output_schema = Some(meta.value()?.parse()?),
                    _ => {
                        return Err(meta.error(
                            "unknown key: expected name, friendly_name, version, kind, idempotent or output_schema",
                        ));
                    }
                }
                Ok(())
            })?;
        }
        if let Some(kind) = &options.kind
            && !["standard", "aggregated", "trigger"].contains(&kind.value().as_str())
        {
            return Err(syn::Error::new(
                kind.span(),
                "expected \"standard\", \"aggregated\" or \"trigger\"",
            ));
        }
        Ok(options)
    }
}

impl ParamOptions {
    pub(crate) fn read(attributes: &[Attribute]) -> syn::Result<Self> {
        let mut options = Self::default();
        for attribute in attributes.iter().filter(|it| it.path().is_ident("param")) {
            attribute.parse_nested_meta(|meta| {
                let key = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                match key.as_str() {
                    "name" => options.name = Some(meta.value()?.parse()?),
                    "kind" => options.kind = Some(meta.value()?.parse()?),
                    "required" => options.required = flag(meta.input)?,
                    "default" => options.default = Some(meta.value()?.parse()?),
                    "sample" => options.sample = Some(meta.value()?.parse()?),
                    "choices" => options.choices = Some(meta.value()?.parse()?),
                    _ => {
                        return Err(meta.error(
                            "unknown key: expected name, kind, required, default, sample or choices",
                        ));
                    }
                }
                Ok(())
            })?;
        }
        if let Some(kind) = &options.kind
            && !KINDS.contains(&kind.value().as_str())
        {
            return Err(syn::Error::new(
                kind.span(),
                format!("expected one of {KINDS:?}"),
            ));
        }
        Ok(options)
    }
}

/// `required` alone or `required = true`.
fn flag(input: ParseStream<'_>) -> syn::Result<bool> {
    if input.peek(Token![=]) {
        input.parse::<Token![=]>()?;
        return Ok(input.parse::<LitBool>()?.value);
    }
    Ok(true)
}

/// The doc comment as prose: lines of a paragraph joined, paragraphs kept apart.
pub(crate) fn doc_comment(attributes: &[Attribute]) -> String {
    let mut paragraphs: Vec<String> = Vec::new();
    let mut open = false;
    for attribute in attributes {
        let Meta::NameValue(pair) = &attribute.meta else {
            continue;
        };
        let Expr::Lit(ExprLit {
            lit: Lit::Str(text),
            ..
        }) = &pair.value
        else {
            continue;
        };
        if !pair.path.is_ident("doc") {
            continue;
        }
        // Split rather than lines(): an empty comment line is one empty line.
        for line in text.value().split('\n').map(str::trim) {
            match (line.is_empty(), open, paragraphs.last_mut()) {
                (true, ..) => open = false,
                (false, true, Some(paragraph)) => {
                    paragraph.push(' ');
                    paragraph.push_str(line);
                }
                (false, ..) => {
                    paragraphs.push(line.to_owned());
                    open = true;
                }
            }
        }
    }
    paragraphs.join("\n\n")
}
