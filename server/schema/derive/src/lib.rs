//! `#[derive(Schema)]`: a `schema::Record` from a struct, a `one_of` field from an enum of unit variants.
//!
//! Every item of `#[field(…)]` becomes a call of the builder method of the same name: `name` → `.name(true)`,
//! `name = expr` → `.name(expr)`, `name(a, b)` → `.name(a, b)`. Special: `one_of`, `not_one_of` and
//! `mutually_exclusive_subsets` take a list; `elements(…)`, `keys(…)`, `values(…)` take items for what is inside;
//! `is = x` applies `schema::typedefs::x` (or a path with `::`); `match = "…"` is `matches`; `auto = token`;
//! `rename = "…"` is the name in JSON (also read from `#[serde(rename = "…")]`); `skip` leaves the field out.

mod container;
mod items;

use proc_macro::TokenStream;

/// See the crate's documentation.
#[proc_macro_derive(Schema, attributes(field, schema))]
pub fn derive(input: TokenStream) -> TokenStream {
    let input = syn::parse_macro_input!(input as syn::DeriveInput);
    container::expand(&input).unwrap_or_else(|error| error.to_compile_error()).into()
}
