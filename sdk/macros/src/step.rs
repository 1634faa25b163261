//! The expansion of `#[derive(Step)]`.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote};
use syn::{Data, DeriveInput, Expr, Field, Fields, Ident, LitStr, Type, ext::IdentExt};

use crate::attributes::{ParamOptions, StepOptions, doc_comment};

/// A field, read.
struct Parameter {
    field: Ident,
    name: LitStr,
    ty: Type,
    optional: bool,
    kind: String,
    description: String,
    options: ParamOptions,
}

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    if !input.generics.params.is_empty() {
        return Err(syn::Error::new_spanned(
            &input.generics,
            "a step has no generic parameters",
        ));
    }
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(
            &input.ident,
            "a step is a struct; its fields are its parameters",
        ));
    };
    let parameters = match &data.fields {
        Fields::Named(fields) => fields
            .named
            .iter()
            .map(Parameter::read)
            .collect::<syn::Result<Vec<_>>>()?,
        Fields::Unit => Vec::new(),
        Fields::Unnamed(fields) => {
            return Err(syn::Error::new_spanned(
                fields,
                "name the fields: a field's name is the parameter's name",
            ));
        }
    };
    refuse_duplicates(&parameters)?;

    let options = StepOptions::read(&input.attrs)?;
    let ident = &input.ident;
    let name = options
        .name
        .clone()
        .unwrap_or_else(|| LitStr::new(&ident.unraw().to_string(), ident.span()));
    let descriptor = descriptor(&name, &options, &doc_comment(&input.attrs), &parameters);
    let reading = reading(&parameters);
    Ok(quote! {
        impl ::powerflow_sdk::Step for #ident {
            const NAME: &'static str = #name;

            fn descriptor() -> ::powerflow_sdk::StepDescriptor {
                #descriptor
            }

            fn from_parameters(
                parameters: &mut ::powerflow_sdk::Parameters,
            ) -> ::core::result::Result<Self, ::powerflow_sdk::Error> {
                #reading
            }
        }
    })
}

fn descriptor(
    name: &LitStr,
    options: &StepOptions,
    description: &str,
    parameters: &[Parameter],
) -> TokenStream {
    let friendly_name = options
        .friendly_name
        .as_ref()
        .map_or_else(|| spaced(&name.value()), LitStr::value);
    let version = options
        .version
        .as_ref()
        .map_or_else(|| "1.0.0".to_owned(), LitStr::value);
    let kind = options
        .kind
        .as_ref()
        .map_or_else(|| "standard".to_owned(), LitStr::value);
    let idempotent = options.idempotent.as_ref().is_none_or(|it| it.value);
    let schema = options.output_schema.as_ref().map(|expr| {
        quote! { step.output_schema = ::core::option::Option::Some(#expr); }
    });
    let parameters = parameters.iter().map(Parameter::descriptor);
    quote! {
        let mut step = ::powerflow_sdk::StepDescriptor::new(#name, #friendly_name, #description, #version, #kind);
        step.idempotent = #idempotent;
        #schema
        step.parameters = ::std::vec![#(#parameters),*];
        step
    }
}

fn reading(parameters: &[Parameter]) -> TokenStream {
    if parameters.is_empty() {
        return quote! { let _ = parameters; ::core::result::Result::Ok(Self {}) };
    }
    let fields: Vec<_> = parameters.iter().map(|it| &it.field).collect();
    let locals: Vec<_> = (0..parameters.len())
        .map(|index| format_ident!("value_{index}"))
        .collect();
    let reads = parameters.iter().zip(&locals).map(|(parameter, local)| {
        let read = parameter.reading();
        quote! { let #local = #read; }
    });
    quote! {
        #(#reads)*
        match (#(#locals,)*) {
            (#(::core::option::Option::Some(#locals),)*) => ::core::result::Result::Ok(Self { #(#fields: #locals),* }),
            _ => ::core::result::Result::Err(parameters.refusal()),
        }
    }
}

impl Parameter {
    fn read(field: &Field) -> syn::Result<Self> {
        let Some(ident) = field.ident.clone() else {
            return Err(syn::Error::new_spanned(field, "name the field"));
        };
        let options = ParamOptions::read(&field.attrs)?;
        let inner = argument_of(&field.ty, "Option");
        if let (Some(_), true) = (&inner, options.required) {
            return Err(syn::Error::new_spanned(
                &field.ty,
                "an Option is never required: drop one of the two",
            ));
        }
        if let (Some(default), true) = (&options.default, options.required) {
            return Err(syn::Error::new_spanned(
                default,
                "a parameter with a default is never required: drop one of the two",
            ));
        }
        let kind = options.kind.as_ref().map_or_else(
            || kind_of(inner.as_ref().unwrap_or(&field.ty)).to_owned(),
            LitStr::value,
        );
        Ok(Self {
            name: options
                .name
                .clone()
                .unwrap_or_else(|| LitStr::new(&ident.unraw().to_string(), ident.span())),
            ty: field.ty.clone(),
            optional: inner.is_some(),
            kind,
            description: doc_comment(&field.attrs),
            field: ident,
            options,
        })
    }

    /// The default as an expression of the field's own type; a string literal
    /// serves a `String` as well.
    fn default(&self) -> Option<TokenStream> {
        let default = self.options.default.as_ref()?;
        let literal = matches!(default, Expr::Lit(lit) if matches!(lit.lit, syn::Lit::Str(_)));
        Some(if literal {
            quote! { ::core::convert::From::from(#default) }
        } else {
            quote! { #default }
        })
    }

    fn descriptor(&self) -> TokenStream {
        let Self {
            name,
            ty,
            kind,
            description,
            ..
        } = self;
        let required = !self.optional && self.options.default.is_none();
        let default = self.default().map(|expr| {
            quote! {{ let value: #ty = #expr; parameter.default = ::powerflow_sdk::derive::json(&value); }}
        });
        let sample = self.options.sample.as_ref().map(|expr| {
            quote! { parameter.sample = ::powerflow_sdk::derive::json(&#expr); }
        });
        let choices = self.options.choices.as_ref().map(|expr| {
            quote! { parameter.choices = ::powerflow_sdk::derive::choices(&#expr); }
        });
        quote! {{
            let mut parameter = ::powerflow_sdk::ParameterDescriptor::new(#name, #kind, #required, #description);
            #default
            #sample
            #choices
            parameter
        }}
    }

    /// An expression of type `Option<field type>`; `None` when refused.
    fn reading(&self) -> TokenStream {
        let Self { name, ty, kind, .. } = self;
        let choices = self.options.choices.as_ref().map_or_else(
            || quote! { &::powerflow_sdk::derive::any },
            |expr| quote! { &|| ::powerflow_sdk::derive::choices(&#expr) },
        );
        match self.default() {
            Some(default) => {
                quote! { parameters.read_or::<#ty>(#name, #kind, #choices, || #default) }
            }
            None if self.optional => {
                quote! { parameters.read_or::<#ty>(#name, #kind, #choices, || ::core::option::Option::None) }
            }
            None => quote! { parameters.read::<#ty>(#name, #kind, #choices) },
        }
    }
}

fn refuse_duplicates(parameters: &[Parameter]) -> syn::Result<()> {
    for (index, parameter) in parameters.iter().enumerate() {
        if parameters[..index]
            .iter()
            .any(|earlier| earlier.name.value() == parameter.name.value())
        {
            return Err(syn::Error::new(
                parameter.name.span(),
                "two parameters have this name",
            ));
        }
    }
    Ok(())
}

/// The kind that a type's own name suggests; `#[param(kind = "…")]` overrides it.
fn kind_of(ty: &Type) -> &'static str {
    let Some(segment) = last_segment(ty) else {
        return "any";
    };
    match segment.ident.to_string().as_str() {
        "String" | "Cow" | "char" => "string",
        "bool" => "boolean",
        "i8" | "i16" | "i32" | "i64" | "i128" | "isize" | "u8" | "u16" | "u32" | "u64" | "u128"
        | "usize" => "integer",
        "f32" | "f64" => "number",
        "Vec" | "VecDeque" | "HashSet" | "BTreeSet" => "array",
        "Value" | "RawValue" => "any",
        "Secret" => "secret",
        _ => "object",
    }
}

/// `T` of `wrapper<T>`.
fn argument_of(ty: &Type, wrapper: &str) -> Option<Type> {
    let segment = last_segment(ty)?;
    if segment.ident != Ident::new(wrapper, Span::call_site()) {
        return None;
    }
    let syn::PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    match arguments.args.first()? {
        syn::GenericArgument::Type(inner) => Some(inner.clone()),
        _ => None,
    }
}

fn last_segment(ty: &Type) -> Option<&syn::PathSegment> {
    match ty {
        Type::Path(path) => path.path.segments.last(),
        Type::Group(group) => last_segment(&group.elem),
        Type::Paren(paren) => last_segment(&paren.elem),
        _ => None,
    }
}

/// `CreateIncident` becomes `Create Incident`.
fn spaced(name: &str) -> String {
    let mut text = String::with_capacity(name.len() + 4);
    let mut previous_lower = false;
    for letter in name.chars() {
        if letter.is_uppercase() && previous_lower {
            text.push(' ');
        }
        previous_lower = letter.is_lowercase() || letter.is_ascii_digit();
        text.push(if letter == '_' { ' ' } else { letter });
    }
    text
}
