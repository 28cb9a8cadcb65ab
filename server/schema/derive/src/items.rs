//! The items of an attribute, turned into builder calls.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::{
    Expr, Ident, Token, parenthesized,
    parse::{Parse, ParseStream},
    punctuated::Punctuated,
};

/// `name`, `name = expr`, `name(…)`.
pub(crate) struct Item {
    pub(crate) name: Ident,
    pub(crate) value: Value,
}

pub(crate) enum Value {
    Flag,
    Expr(Box<Expr>),
    List(TokenStream),
}

impl Parse for Item {
    fn parse(input: ParseStream) -> syn::Result<Self> {
        let name = input.call(<Ident as syn::ext::IdentExt>::parse_any)?;
        let value = if input.peek(Token![=]) {
            input.parse::<Token![=]>()?;
            Value::Expr(input.parse()?)
        } else if input.peek(syn::token::Paren) {
            let inner;
            parenthesized!(inner in input);
            Value::List(inner.parse()?)
        } else {
            Value::Flag
        };
        Ok(Self { name, value })
    }
}

/// The items of one attribute's parentheses.
pub(crate) type Items = Punctuated<Item, Token![,]>;

/// Parses `(…)`.
pub(crate) fn parse(tokens: TokenStream) -> syn::Result<Items> {
    syn::parse::Parser::parse2(Items::parse_terminated, tokens)
}

/// The builder calls for field items.
pub(crate) fn calls<'a>(items: impl IntoIterator<Item = &'a Item>) -> syn::Result<TokenStream> {
    let mut out = TokenStream::new();
    for item in items {
        out.extend(call(item)?);
    }
    Ok(out)
}

fn call(item: &Item) -> syn::Result<TokenStream> {
    let name = item.name.to_string();
    let method = match name.as_str() {
        "match" => format_ident!("matches", span = item.name.span()),
        _ => item.name.clone(),
    };
    Ok(match (name.as_str(), &item.value) {
        ("optional", Value::Flag) => quote!(.optional()),
        ("is" | "validator", Value::Expr(expr)) => {
            let path = typedef(expr);
            quote!(.is(#path))
        }
        ("auto", Value::Expr(expr)) => {
            let variant = match quote!(#expr).to_string().as_str() {
                "uuid" => quote!(::schema::Auto::Uuid),
                "token" => quote!(::schema::Auto::Token),
                "created" => quote!(::schema::Auto::Created),
                "updated" => quote!(::schema::Auto::Updated),
                "elsewhere" => quote!(::schema::Auto::Elsewhere),
                _ => return Err(syn::Error::new_spanned(expr, "one of uuid, token, created, updated, elsewhere")),
            };
            quote!(.auto(#variant))
        }
        ("on_delete", Value::Expr(expr)) => match quote!(#expr).to_string().as_str() {
            "cascade" => quote!(.on_delete(::schema::OnDelete::Cascade)),
            "null" => quote!(.on_delete(::schema::OnDelete::Null)),
            _ => return Err(syn::Error::new_spanned(expr, "cascade or null")),
        },
        ("default" | "eq" | "ne" | "contains", Value::Expr(expr)) => {
            if quote!(#expr).to_string() == "null" {
                quote!(.#method(::schema::Value::Null))
            } else {
                quote!(.#method(::schema::json!(#expr)))
            }
        }
        // A default that is written as JSON: `default({ "a": 1 })`, `default([1, 2])`.
        ("default", Value::List(json)) => quote!(.default(::schema::json!(#json))),
        ("one_of" | "not_one_of" | "mutually_exclusive_subsets", Value::List(list)) => {
            if name == "mutually_exclusive_subsets" {
                let subsets: Punctuated<Expr, Token![,]> =
                    syn::parse::Parser::parse2(Punctuated::parse_terminated, list.clone())?;
                let subsets = subsets.iter();
                quote!(.#method([#(::std::vec::Vec::from(#subsets)),*]))
            } else {
                quote!(.#method([#list]))
            }
        }
        ("elements" | "keys" | "values", Value::List(list)) => {
            let inner = calls(&parse(list.clone())?)?;
            quote!(.#method(|field| field #inner))
        }
        (_, Value::Flag) => quote!(.#method(true)),
        (_, Value::Expr(expr)) => quote!(.#method(#expr)),
        (_, Value::List(list)) => quote!(.#method(#list)),
    })
}

/// A bare word is one of the crate's own typedefs.
fn typedef(expr: &Expr) -> TokenStream {
    match expr {
        Expr::Path(path) if path.path.get_ident().is_some() => quote!(::schema::typedefs::#path),
        other => quote!(#other),
    }
}
