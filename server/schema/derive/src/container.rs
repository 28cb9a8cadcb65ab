//! Structs and enums.

use crate::items::{self, Items, Value};
use proc_macro2::TokenStream;
use quote::quote;
use syn::{Attribute, Data, DataEnum, DataStruct, DeriveInput, Expr, Fields, Lit, Meta, ext::IdentExt};

pub(crate) fn expand(input: &DeriveInput) -> syn::Result<TokenStream> {
    match &input.data {
        Data::Struct(data) => expand_struct(input, data),
        Data::Enum(data) => expand_enum(input, data),
        Data::Union(_) => Err(syn::Error::new_spanned(input, "a struct or an enum")),
    }
}

fn expand_struct(input: &DeriveInput, data: &DataStruct) -> syn::Result<TokenStream> {
    let Fields::Named(named) = &data.fields else {
        return Err(syn::Error::new_spanned(input, "a struct with named fields"));
    };
    let mut fields = TokenStream::new();
    for field in &named.named {
        let Some(ident) = &field.ident else { continue };
        let mut items = attribute_items(&field.attrs, "field")?;
        // On a field both words mean the same.
        items.extend(attribute_items(&field.attrs, "schema")?);
        if items.iter().any(|item| item.name == "skip") {
            continue;
        }
        let renamed = items.iter().find(|item| item.name == "rename");
        let name = match renamed {
            Some(item) => match &item.value {
                Value::Expr(expr) => quote!(#expr),
                _ => return Err(syn::Error::new_spanned(&item.name, "rename = \"…\"")),
            },
            None => {
                let name = serde_text(&field.attrs, "rename")?.unwrap_or_else(|| ident.unraw().to_string());
                quote!(#name)
            }
        };
        let ty = &field.ty;
        let calls = items::calls(items.iter().filter(|item| item.name != "rename"))?;
        let help = doc(&field.attrs);
        let help = if help.is_empty() { quote!() } else { quote!(.help(#help)) };
        fields.extend(quote! {
            .field({
                let field = <#ty as ::schema::FieldType>::field().named(#name);
                let field = if <#ty as ::schema::FieldType>::REQUIRED { field.required(true) } else { field };
                field #help #calls
            })
        });
    }
    let mut tail = TokenStream::new();
    for item in &attribute_items(&input.attrs, "schema")? {
        let (Value::Expr(expr), method) = (&item.value, &item.name) else {
            return Err(syn::Error::new_spanned(&item.name, "name = expression"));
        };
        match method.to_string().as_str() {
            "check" | "entity_check" => tail.extend(quote!(.check(#expr))),
            "shorthand" => tail.extend(quote!(.shorthand(#expr))),
            "validate" => tail.extend(quote!(.validate(#expr))),
            "with" => tail = quote!(#tail.with(#expr)),
            _ => return Err(syn::Error::new_spanned(method, "check, shorthand, validate or with")),
        }
    }
    let ident = &input.ident;
    let (generics, ty_generics, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        #[automatically_derived]
        impl #generics ::schema::Schema for #ident #ty_generics #bounds {
            fn record() -> ::schema::Record {
                ::schema::Record::new() #fields #tail.sealed()
            }
        }

        #[automatically_derived]
        impl #generics ::schema::FieldType for #ident #ty_generics #bounds {
            fn field() -> ::schema::Field {
                ::schema::Field::record("", <Self as ::schema::Schema>::record())
            }
        }
    })
}

fn expand_enum(input: &DeriveInput, data: &DataEnum) -> syn::Result<TokenStream> {
    let style = serde_text(&input.attrs, "rename_all")?;
    let mut names = Vec::new();
    for variant in &data.variants {
        if !matches!(variant.fields, Fields::Unit) {
            return Err(syn::Error::new_spanned(variant, "a variant without fields"));
        }
        let ident = variant.ident.unraw().to_string();
        names.push(match serde_text(&variant.attrs, "rename")? {
            Some(name) => name,
            None => cased(&ident, style.as_deref()),
        });
    }
    let ident = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::schema::FieldType for #ident {
            fn field() -> ::schema::Field {
                ::schema::Field::string("").one_of([#(#names),*])
            }
        }
    })
}

fn cased(ident: &str, style: Option<&str>) -> String {
    let words = |separator: &str| {
        let mut out = String::new();
        for (index, c) in ident.chars().enumerate() {
            if c.is_uppercase() && index > 0 {
                out.push_str(separator);
            }
            out.extend(c.to_lowercase());
        }
        out
    };
    match style {
        Some("lowercase") => ident.to_lowercase(),
        Some("UPPERCASE") => ident.to_uppercase(),
        Some("snake_case") => words("_"),
        Some("kebab-case") => words("-"),
        Some("SCREAMING_SNAKE_CASE") => words("_").to_uppercase(),
        Some("SCREAMING-KEBAB-CASE") => words("-").to_uppercase(),
        Some("camelCase") => {
            let mut chars = ident.chars();
            chars.next().map_or_else(String::new, |first| first.to_lowercase().chain(chars).collect())
        }
        _ => ident.to_owned(),
    }
}

fn attribute_items(attrs: &[Attribute], name: &str) -> syn::Result<Vec<items::Item>> {
    let mut all = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident(name)) {
        let Meta::List(list) = &attr.meta else {
            return Err(syn::Error::new_spanned(attr, format!("#[{name}(…)]")));
        };
        let items: Items = items::parse(list.tokens.clone())?;
        all.extend(items);
    }
    Ok(all)
}

/// `#[serde(<key> = "…")]`, other items ignored.
fn serde_text(attrs: &[Attribute], key: &str) -> syn::Result<Option<String>> {
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("serde")) {
        let Meta::List(list) = &attr.meta else { continue };
        for item in items::parse(list.tokens.clone())? {
            if item.name == key
                && let Value::Expr(expr) = &item.value
                && let Expr::Lit(lit) = &**expr
                && let Lit::Str(text) = &lit.lit
            {
                return Ok(Some(text.value()));
            }
        }
    }
    Ok(None)
}

/// The doc comment's lines, joined.
fn doc(attrs: &[Attribute]) -> String {
    let mut lines = Vec::new();
    for attr in attrs.iter().filter(|attr| attr.path().is_ident("doc")) {
        if let Meta::NameValue(pair) = &attr.meta
            && let Expr::Lit(lit) = &pair.value
            && let Lit::Str(text) = &lit.lit
        {
            lines.push(text.value().trim().to_owned());
        }
    }
    lines.join(" ").trim().to_owned()
}
