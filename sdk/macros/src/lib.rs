//! The derive macro behind `#[derive(Step)]`.
//!
//! It turns a struct with typed fields into a step: its descriptor (what the pack
//! tool writes into the manifest) and the reading of its parameters. It owns
//! nothing else: behaviour lives in `powerflow-sdk`, to which the generated code
//! only refers, so that a fix there needs no new expansion.

mod attributes;
mod step;

/// Makes a struct with named fields a step; documented in `powerflow_sdk`, which
/// re-exports it.
#[proc_macro_derive(Step, attributes(step, param))]
pub fn derive_step(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    step::expand(&input)
        .unwrap_or_else(syn::Error::into_compile_error)
        .into()
}
